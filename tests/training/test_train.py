"""The training loop."""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa.exceptions import (
    DivergedTrainingError,
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
)
from optuna_ofa.space import Family, SearchSpace, Subnet, mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet, load_supernet, resize_images
from optuna_ofa.training import (
    Phase,
    ProgressiveShrinking,
    Recipe,
    Run,
    Sandwich,
    TrainingHistory,
    TrainingSettings,
    train,
)

Make = Callable[..., Supernet]
SHRINKING = ProgressiveShrinking(
    n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}
)
SANDWICH = Sandwich(n_steps=8, learning_rate=0.1, n_random=1)
FROZEN = replace(SANDWICH, teacher="frozen")


def run(net: Supernet, loader: Any, recipe: Recipe = SANDWICH, **options: Any) -> TrainingHistory:
    return train(net, loader, recipe=recipe, progress=False, **options)


def assert_equal(net: nn.Module, other: nn.Module) -> None:
    torch.testing.assert_close(net.state_dict(), other.state_dict(), rtol=0, atol=0)


@torch.no_grad()
def accuracy(net: Supernet, subnets: Sequence[Subnet], data: TensorDataset) -> list[float]:
    """Top-1 in percent, normalised by the statistics of the data."""
    images, labels = data.tensors
    found = []
    for subnet in subnets:
        plain = net.extract(subnet).train()
        size = (subnet.resolution,) * 2
        logits = plain(nn.functional.interpolate(images, size, mode="bilinear", antialias=True))
        found.append(100 * float((logits.argmax(1) == labels).float().mean()))
    return found


@dataclass(frozen=True)
class SmallestOnly(Recipe):
    """The recipe of a user: one subnet alone, with labels."""

    n_steps: int

    def phases(self, space: SearchSpace) -> Sequence[Phase]:
        return (Phase("smallest", self.n_steps, learning_rate=0.1),)

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        return (Run(space.smallest()),)


@pytest.mark.parametrize(
    "recipe",
    [
        replace(SANDWICH, n_steps=40),
        ProgressiveShrinking(
            n_steps=60, learning_rate=0.1, rates={"kernel": 0.5, "depth 2": 0.5, "expand 2": 0.5}
        ),
    ],
    ids=["sandwich", "progressive-shrinking"],
)
def test_subnets_learn(
    recipe: Recipe, make_supernet: Make, space: SearchSpace, dataset: TensorDataset, loader: Any
) -> None:
    net = make_supernet()
    subnets = [space.smallest(), space.largest(), *space.from_matrix(space.sample(3, seed=0))]
    before = accuracy(net, subnets, dataset)
    run(net, loader, recipe)
    after = accuracy(net, subnets, dataset)
    # four classes: a guess is right in 25 % of cases
    assert min(after) > max(before) + 25


def test_a_frozen_teacher_is_the_largest_subnet_before_the_first_step(
    make_supernet: Make, space: SearchSpace, dataset: TensorDataset, tmp_path: Path
) -> None:
    net, path = make_supernet(), tmp_path / "run.pt"
    images, labels = dataset.tensors
    teacher = net.extract(space.largest()).train()
    smallest = net.extract(space.smallest()).train()
    recipe = replace(FROZEN, n_random=0, shared_resolution=False, soft_ratio=0.5)
    history = run(net, [(images, labels)], recipe, checkpoint=path, evaluate_every=1)
    kept = torch.load(path, weights_only=True)["teacher"]
    for name, parameter in teacher.named_parameters():
        assert torch.equal(kept[name], parameter), name
    small = nn.functional.interpolate(images, (8, 8), mode="bilinear", antialias=True)
    of_labels = nn.functional.cross_entropy(teacher(images), labels, label_smoothing=0.1)
    of_teacher = [
        nn.functional.cross_entropy(student(view), teacher(view).softmax(1))
        for student, view in ((teacher, images), (smallest, small))
    ]
    expected = (of_labels + 0.5 * sum(of_teacher)) / 2
    assert history.entries[0].loss == pytest.approx(expected.item(), rel=1e-4)


def test_a_recipe_of_a_user_trains_what_it_says(
    make_supernet: Make, space: SearchSpace, loader: Any
) -> None:
    net = make_supernet()
    before = copy.deepcopy(net)
    run(net, loader, SmallestOnly(3), settings=TrainingSettings(weight_decay=0))
    changed = {
        name
        for (name, parameter), old in zip(net.named_parameters(), before.parameters(), strict=True)
        if not torch.equal(parameter, old)
    }
    assert "blocks.1.conv.point_linear.conv.weight" in changed
    # the second stage's fourth block: smallest depth is 2
    assert not any(name.startswith("blocks.8.") for name in changed)
    assert torch.equal(
        net.get_parameter("blocks.1.conv.point_linear.conv.weight")[:, 24:],
        before.get_parameter("blocks.1.conv.point_linear.conv.weight")[:, 24:],
    )


@pytest.mark.parametrize("recipe", [SANDWICH, SHRINKING], ids=["sandwich", "shrinking"])
def test_the_same_seed_gives_the_same_weights(
    recipe: Recipe, make_supernet: Make, loader: Any
) -> None:
    one, two, other = (make_supernet(dropout=0.2) for _ in range(3))
    torch.manual_seed(1)
    run(one, loader, recipe)
    torch.manual_seed(2)
    run(two, loader, recipe)
    run(other, loader, recipe, settings=TrainingSettings(seed=1))
    assert_equal(one, two)
    assert not torch.equal(
        one.get_parameter("classifier.linear.weight"),
        other.get_parameter("classifier.linear.weight"),
    )


def test_the_callers_random_numbers_mode_and_subnet_stay(
    make_supernet: Make, space: SearchSpace, loader: Any
) -> None:
    net = make_supernet().eval()
    net.activate(space.smallest())
    state = torch.get_rng_state()
    run(net, loader)
    assert torch.equal(torch.get_rng_state(), state)
    assert not net.training
    assert net.active == space.smallest()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_two_accumulated_batches_have_the_gradient_of_both(
    make_supernet: Make, dataset: TensorDataset
) -> None:
    """Without batch normalisation's statistics, which see one batch at a time."""
    images, labels = dataset.tensors
    halves = [(images[:32], labels[:32]), (images[:32], labels[:32])]
    one, two = make_supernet(), make_supernet()
    recipe = replace(SANDWICH, n_steps=2)
    run(one, halves[:1], recipe)
    run(two, halves, recipe, settings=TrainingSettings(n_accumulated=2))
    for (name, parameter), other in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-4, atol=1e-5, msg=name)


def test_gradients_are_clipped(make_supernet: Make, loader: Any) -> None:
    net = make_supernet()
    before = copy.deepcopy(net)
    settings = TrainingSettings(max_gradient_norm=1e-3, weight_decay=0)
    run(net, loader, Sandwich(n_steps=1, learning_rate=1.0), settings=settings)
    squares = sum(
        float((new - old).detach().square().sum())
        for new, old in zip(net.parameters(), before.parameters(), strict=True)
    )
    # one step of Nesterov momentum 0.9 is 1.9 gradients long
    assert squares**0.5 == pytest.approx(1.9e-3, rel=1e-3)


def test_the_supernet_has_the_average_of_its_weights(make_supernet: Make, loader: Any) -> None:
    averaged, last = make_supernet(), make_supernet()
    seen = []

    def evaluate(net: Supernet, subnets: Sequence[Subnet]) -> list[float]:
        seen.append(copy.deepcopy(net))
        return [0.0] * len(subnets)

    options = {"evaluate": evaluate, "evaluate_every": 1}
    run(last, loader, **options)
    steps = [net.get_parameter("classifier.linear.weight") for net in seen]
    run(averaged, loader, settings=TrainingSettings(average_decay=0.5))
    expected = steps[0]
    for weight in steps[1:]:
        expected = 0.5 * expected + 0.5 * weight
    found = averaged.get_parameter("classifier.linear.weight")
    torch.testing.assert_close(found, expected)


def test_the_history_has_a_line_a_phase(make_supernet: Make, loader: Any) -> None:
    def evaluate(net: Supernet, subnets: Sequence[Subnet]) -> Any:
        return np.arange(len(subnets))

    history = run(make_supernet(), loader, SHRINKING, evaluate=evaluate, n_followed=2)
    assert [entry.phase for entry in history.entries] == [
        "largest",
        "kernel",
        "depth 1",
        "depth 2",
        "expand 1",
        "expand 2",
    ]
    assert history.entries[-1].step == 12
    assert history.entries[0].top1 == (0.0, 1.0, 2.0, 3.0)
    assert history.names == ("smallest", "largest", "random 1", "random 2")
    assert "expand 2" in str(history).splitlines()[-1]
    assert "2.50   2.00" in str(history).splitlines()[-1]


def test_evaluations_of_another_number_are_refused(make_supernet: Make, loader: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`evaluate` must return 12 .* \(3,\)"):
        run(make_supernet(), loader, evaluate=lambda net, subnets: [1.0, 2.0, 3.0])


# ---------------------------------------------------------------------- checkpoints


class StoppedError(Exception):
    """A run was stopped."""


def stop_at(step: int) -> Callable[..., Any]:
    """An evaluation that stops a run once it has been asked ``step`` times."""
    calls = []

    def evaluate(net: Supernet, subnets: Sequence[Subnet]) -> Any:
        calls.append(1)
        if len(calls) == step:
            raise StoppedError
        return np.zeros(len(subnets))

    return evaluate


Options = dict[str, Any]


@pytest.fixture(
    scope="module",
    params=[(SHRINKING, None), (SHRINKING, 0.9), (FROZEN, None)],
    ids=["shrinking", "averaged", "frozen"],
)
def complete(
    request: pytest.FixtureRequest, make_supernet: Make, dataset: TensorDataset
) -> tuple[Supernet, TrainingHistory, DataLoader[Any], Options]:
    """A run that was not interrupted: the supernet, its history, the loader and the options."""
    loader = DataLoader(dataset, 20, shuffle=True, generator=torch.Generator())  # 5 an epoch
    recipe, decay = request.param
    options = {
        "recipe": recipe,
        "settings": TrainingSettings(average_decay=decay, n_accumulated=2),
        "evaluate_every": 1,
        "checkpoint_every": 1,
    }
    net = make_supernet(dropout=0.2)
    history = run(net, loader, evaluate=stop_at(0), **options)
    return net, history, loader, options


@pytest.mark.parametrize("step", [1, 7])
def test_a_run_that_goes_on_gives_the_same_weights(
    step: int,
    complete: tuple[Supernet, TrainingHistory, DataLoader[Any], Options],
    make_supernet: Make,
    tmp_path: Path,
) -> None:
    whole, history, loader, options = complete
    first, second, third = (make_supernet(dropout=0.2) for _ in range(3))
    path = tmp_path / "run.pt"
    with pytest.raises(StoppedError):
        run(first, loader, evaluate=stop_at(step + 1), checkpoint=path, **options)
    continued = run(second, loader, evaluate=stop_at(0), checkpoint=path, **options)
    assert_equal(second, whole)
    assert continued == history
    # and it is not repeated once it is finished
    assert run(third, [], checkpoint=path, **options) == history
    assert_equal(third, whole)
    assert_equal(load_supernet(whole.family, weights=path), whole)


KILLED = """
import torch
from torch.utils.data import DataLoader, TensorDataset
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import Sandwich, train

torch.set_num_threads(1)
torch.manual_seed(0)
images, labels = torch.randn(96, 1, 12, 12), torch.randint(4, (96,))
family = mobilenet_v3_small_images(
    "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
)
net = Supernet(family)
train(
    net,
    DataLoader(TensorDataset(images, labels), 20, shuffle=True),
    recipe=Sandwich(n_steps=n_steps, n_random=1),
    checkpoint=checkpoint,
    checkpoint_every=3,
    progress=False,
)
torch.save(net.state_dict(), out)
"""


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, processes: Any) -> None:
    n_steps = 40

    def start(name: str) -> Any:
        files = {"checkpoint": tmp_path / f"{name}.pt", "out": tmp_path / f"{name}.weights"}
        return processes.start(KILLED, n_steps=n_steps, **files)

    processes.finish(start("whole"))
    process = start("killed")
    while not (tmp_path / "killed.pt").exists():
        assert process.is_alive()
        time.sleep(0.001)
    time.sleep(0.1)  # so that it is not always killed between two files
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed.weights").exists()
    step = torch.load(tmp_path / "killed.pt", weights_only=True)["step"]
    assert 0 < step < n_steps
    processes.finish(start("killed"))
    whole, killed = (
        torch.load(tmp_path / f"{name}.weights", weights_only=True) for name in ("whole", "killed")
    )
    torch.testing.assert_close(killed, whole, rtol=0, atol=0)


def test_a_truncated_checkpoint_is_refused(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    run(make_supernet(), loader, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match=r"`checkpoint` .*run\.pt is cut off"):
        run(make_supernet(), loader, checkpoint=path)


def test_a_file_of_another_kind_is_refused(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    torch.save({"state_dict": make_supernet().state_dict()}, tmp_path / "weights.pt")
    with pytest.raises(FormatError, match=r"`checkpoint` .* written by training, but .* is not"):
        run(make_supernet(), loader, checkpoint=tmp_path / "weights.pt")


def test_a_checkpoint_of_another_family_is_refused(
    make_supernet: Make, family: Family, loader: Any, tmp_path: Path
) -> None:
    run(make_supernet(), loader, checkpoint=tmp_path / "run.pt")
    other = mobilenet_v3_small_images("wide", width=1.0, n_classes=4, in_channels=1)
    with pytest.raises(FamilyMismatchError, match=r"of the family wide .*run\.pt is of"):
        run(Supernet(other), loader, checkpoint=tmp_path / "run.pt")


def staged(family: Family, **changes: Any) -> dict[str, Any]:
    first, *rest = family.stages
    return {"stages": (first, *(replace(stage, **changes) for stage in rest))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: staged(f, act="relu6"), "act of stage 2: h_swish in the file, relu6 in the"),
        (lambda f: staged(f, stride=1), "stride of stage 2: 2 in the file, 1 in the family"),
        (lambda f: {"bn_eps": 0.01}, "bn_eps: 1e-05 in the file, 0.01 in the family"),
    ],
    ids=["act", "stride", "bn_eps"],
)
def test_a_checkpoint_of_another_table_is_refused(
    change: Any, message: str, make_supernet: Make, family: Family, loader: Any, tmp_path: Path
) -> None:
    run(make_supernet(), loader, checkpoint=tmp_path / "run.pt")
    other = Supernet(replace(family, **change(family)))
    with pytest.raises(FamilyMismatchError, match=message):
        run(other, loader, checkpoint=tmp_path / "run.pt")


def test_a_checkpoint_of_another_dropout_is_refused(
    make_supernet: Make, family: Family, loader: Any, tmp_path: Path
) -> None:
    run(make_supernet(), loader, checkpoint=tmp_path / "run.pt")
    with pytest.raises(InvalidArgumentError, match=r"`dropout` .* written, 0\.0, but got 0\.5"):
        run(Supernet(family, dropout=0.5), loader, checkpoint=tmp_path / "run.pt")
    assert load_supernet(tmp_path / "run.pt").family == family


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": replace(SANDWICH, n_random=2)}, r"`recipe` .*n_random=1.* but .*n_random=2"),
        ({"settings": TrainingSettings(seed=5)}, r"`settings` .*seed=0.* but .*seed=5"),
        ({"n_followed": 3}, r"`n_followed` .* 10, but got 3"),
    ],
    ids=["recipe", "settings", "followed"],
)
def test_a_checkpoint_of_another_run_is_refused(
    changes: dict[str, Any], message: str, make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    run(make_supernet(), loader, checkpoint=tmp_path / "run.pt")
    with pytest.raises(InvalidArgumentError, match=message):
        run(make_supernet(), loader, checkpoint=tmp_path / "run.pt", **changes)


# ---------------------------------------------------------------------- what goes wrong


def test_a_loss_that_is_nan_stops_and_keeps_the_checkpoint(
    make_supernet: Make, dataset: TensorDataset, tmp_path: Path
) -> None:
    batches = spoilt(dataset, 3e38)  # finite, but nothing that is computed from it is
    path = tmp_path / "run.pt"
    supernet = make_supernet()
    with pytest.raises(
        DivergedTrainingError, match=r"the loss is nan at step 5 \(phase 'sandwich'.*run\.pt is"
    ):
        run(supernet, batches, checkpoint=path, checkpoint_every=2)
    data = torch.load(path, weights_only=True)
    assert data["step"] == 4
    assert all(tensor.isfinite().all() for tensor in data["state_dict"].values())
    assert all(buffer.isfinite().all() for buffer in supernet.buffers())


def spoilt(dataset: TensorDataset, pixel: float) -> list[tuple[Tensor, Tensor]]:
    """Batches whose sixth has an image of one value."""
    images, labels = dataset.tensors
    broken = images.clone()
    broken[80] = pixel
    return list(zip(broken.split(16), labels.split(16), strict=True))


def test_images_that_are_not_finite_are_no_divergence(
    make_supernet: Make, dataset: TensorDataset
) -> None:
    supernet = make_supernet()
    with pytest.raises(InvalidArgumentError, match="must give images of finite pixels"):
        run(supernet, spoilt(dataset, float("nan")))
    assert all(tensor.isfinite().all() for tensor in supernet.state_dict().values())


@pytest.mark.parametrize("place", ["missing/run.pt", "."], ids=["no-folder", "a-folder"])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_first_step(
    make_supernet: Make, loader: Any, tmp_path: Path, place: str
) -> None:
    supernet = make_supernet()
    before = [weight.clone() for weight in supernet.parameters()]
    with pytest.raises(InvalidArgumentError, match="`checkpoint` must be"):
        run(supernet, loader, checkpoint=tmp_path / place)
    after = list(supernet.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_another_number_of_threads_is_said(
    make_supernet: Make, loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.pt"
    run(make_supernet(), loader, checkpoint=path)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 17)
    with pytest.warns(
        UserWarning, match=r"run.pt was written with \d+ threads .* continues with 17"
    ):
        run(make_supernet(), loader, checkpoint=path)


class Spoiling(SmallestOnly):
    """Spoils weights of a block that the smallest subnet does not have."""

    def enter(self, space: SearchSpace, phase: int, supernet: Supernet) -> None:
        supernet.get_parameter("blocks.4.conv.point_linear.conv.weight").data.fill_(np.nan)


def test_weights_that_are_not_finite_are_not_written(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    with pytest.raises(DivergedTrainingError, match=r"not finite at step 1 .*is no checkpoint"):
        run(make_supernet(), loader, Spoiling(1), checkpoint=tmp_path / "run.pt")
    assert not (tmp_path / "run.pt").exists()


def batch(n: int = 4, size: int = 12, channels: int = 1, label: int = 0) -> Any:
    return torch.zeros(n, channels, size, size), torch.full((n,), label)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ([], "`loader` must give at least one batch, but is empty"),
        (iter([batch()]), "`loader` must give batches each time.* but got list_iterator"),
        ([batch()[0]], "`loader` must give pairs of tensors.* is a .*tensor"),
        ([None], "`loader` must give pairs of tensors.* is a NoneType"),
        ([batch(label=4)], "`loader` must give labels from 0 to 3 for tiny.* from 4 to 4"),
        ([batch(label=-1)], "`loader` must give labels from 0 to 3 for tiny.* from -1 to -1"),
        ([(batch()[0], torch.zeros(4))], "`loader` .* class index .* torch.float32"),
        ([batch(channels=3)], r"`loader` .* \(n, 1, size, size\).* shape \(4, 3, 12, 12\)"),
        ([(batch()[0].byte(), batch()[1])], "`loader` .* torch.float32.* torch.uint8"),
        ([(batch()[0].double(), batch()[1])], "`loader` .* torch.float32.* torch.float64"),
        ([batch(n=0)], "`loader` must give at least one image, but a batch has none"),
        ([(batch()[0][..., 4:], batch()[1])], "`loader` must give square .* 12 x 8 pixels"),
    ],
    ids=[
        "empty",
        "iterator",
        "no-pair",
        "none",
        "label-too-large",
        "negative-label",
        "float-labels",
        "channels",
        "integers",
        "double",
        "empty-batch",
        "oblong",
    ],
)
def test_a_loader_that_does_not_fit_is_refused(
    loader: Any, message: str, make_supernet: Make
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        run(make_supernet(), loader)


def test_images_smaller_than_the_strides_are_enlarged(make_supernet: Make, family: Family) -> None:
    images = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    small, enlarged = make_supernet(), make_supernet()
    for net, given in ((small, images), (enlarged, resize_images(images, 12))):
        run(net, [(given, torch.arange(4))], space=SearchSpace(family, resolution=12))
    assert_equal(small, enlarged)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (96, "an epoch had more than 1 batches then, and has fewer now"),
        (30, "2 batches had 64 images then, and 60 now"),
    ],
    ids=["shorter", "smaller-batches"],
)
def test_a_loader_that_has_changed_is_refused(
    size: int,
    message: str,
    make_supernet: Make,
    loader: Any,
    dataset: TensorDataset,
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.pt"
    options: dict[str, Any] = {"evaluate_every": 1, "checkpoint_every": 1, "checkpoint": path}
    with pytest.raises(StoppedError):
        run(make_supernet(), loader, evaluate=stop_at(3), **options)
    with pytest.raises(InvalidArgumentError, match=f"`loader` must give what it gave .*{message}"):
        run(make_supernet(), DataLoader(dataset, size), **options)


def test_files_of_killed_processes_do_not_stay(
    make_supernet: Make, loader: Any, tmp_path: Path
) -> None:
    left, others = tmp_path / ".run.pt.123", [tmp_path / ".run.pt.mine", tmp_path / ".run.pt2.123"]
    for file in (left, *others):
        file.touch()
    path = tmp_path / "run.pt"
    run(make_supernet(), loader, replace(SANDWICH, n_steps=1), checkpoint=path)
    assert sorted(tmp_path.iterdir()) == sorted([*others, path])


def test_bfloat16_is_that_of_forward_passes_only(make_supernet: Make, loader: Any) -> None:
    plain, mixed = make_supernet(), make_supernet()
    kinds: list[torch.dtype] = []

    def watch(module: nn.Module, inputs: Any, output: Tensor) -> None:
        kinds.append(output.dtype)

    layer = next(m for m in mixed.modules() if isinstance(m, nn.BatchNorm2d))
    layer.register_forward_hook(watch)
    recipe = replace(SANDWICH, n_steps=2)
    settings = TrainingSettings(mixed_precision="bfloat16")
    histories = [run(plain, loader, recipe), run(mixed, loader, recipe, settings=settings)]
    assert set(kinds) == {torch.bfloat16}
    assert {tensor.dtype for tensor in mixed.parameters()} == {torch.float32}
    one, other = (history.entries[0].loss for history in histories)
    assert one != other
    assert one == pytest.approx(other, rel=0.02)


def test_resolutions_below_the_strides_are_refused(
    make_supernet: Make, family: Family, loader: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`space` .* at least 4 pixels.* but got 3"):
        run(make_supernet(), loader, space=SearchSpace(family, resolution=(3, 12)))


def test_a_space_of_another_family_is_refused(make_supernet: Make, loader: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`space` must be of tiny, but got one of ofa"):
        run(make_supernet(), loader, space=SearchSpace("ofa_mbv3_w1.0"))


@pytest.mark.parametrize("name", ["checkpoint_every", "evaluate_every"])
def test_no_steps_between_are_refused(name: str, make_supernet: Make, loader: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must be .* at least 1.*got 0"):
        run(make_supernet(), loader, **{name: 0})


def test_the_space_limits_what_is_trained(
    make_supernet: Make, space: SearchSpace, loader: Any
) -> None:
    net = make_supernet()
    before = copy.deepcopy(net)
    run(net, loader, space=space.restrict(depth=2))
    assert torch.equal(
        net.get_parameter("blocks.4.conv.point_linear.conv.weight"),
        before.get_parameter("blocks.4.conv.point_linear.conv.weight"),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_smoothing": 1.0}, "`label_smoothing` must be .* from 0 .* got 1.0"),
        ({"momentum": 0.0}, "`momentum` must be a positive"),
        ({"average_decay": -0.1}, "`average_decay` must be .* got -0.1"),
        ({"weight_decay": -1e-4}, "`weight_decay` must be a number of at least 0"),
        ({"max_gradient_norm": 0.0}, "`max_gradient_norm` must be a positive"),
        ({"n_accumulated": 0}, "`n_accumulated` must be .* at least 1"),
        ({"seed": -1}, "`seed` must be a whole number from 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        TrainingSettings(**changes)

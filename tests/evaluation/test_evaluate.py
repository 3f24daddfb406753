"""Evaluating subnets."""

from __future__ import annotations

import copy
import itertools
import math
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import EvaluationSettings, SearchSpace, Subnet, Supernet, evaluate
from optuna_ofa.evaluation import recalibrate, take_images
from optuna_ofa.exceptions import (
    CalibrationWarning,
    FailedMeasurementWarning,
    InvalidArgumentError,
    InvalidSubnetError,
    MeasurementError,
)
from optuna_ofa.supernet import resize_images

Loaders = Callable[..., DataLoader]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture
def passes() -> Iterator[list[int]]:
    """Images of every forward pass of a plain network in evaluation mode."""
    seen: list[int] = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.Sequential) and "first_conv" in dict(module.named_children()):
            seen.append(len(inputs[0]))

    hook = nn.modules.module.register_module_forward_pre_hook(count)
    yield seen
    hook.remove()


def both(supernet: Supernet, subnet: Subnet, make_loader: Loaders) -> tuple[float, float]:
    """Top-1 with the supernet's statistics, and with recalibrated ones."""
    val, train = make_loader(300, seed=5), make_loader(500, seed=6)
    stale = evaluate(supernet, subnet, val, EvaluationSettings(calibration=None))
    fresh = evaluate(supernet, subnet, val, EvaluationSettings(calibration=train))
    return float(stale.top1[0]), float(fresh.top1[0])


@pytest.mark.parametrize("resolution", [32, 16])
def test_stale_statistics_are_far_worse(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, resolution: int
) -> None:
    subnet = space.subnet(resolution=resolution, depth=1, kernel=3, expand=3)
    stale, fresh = both(trained, subnet, make_loader)
    assert fresh > stale + 20


def test_statistics_of_another_resolution_are_worse(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    images, labels = make_loader(300, seed=5).dataset.tensors
    calibration = make_loader(500, seed=6).dataset.tensors[0]
    small = space.subnet(resolution=16)

    def top1(calibrated_at: int) -> float:
        net = trained.extract(small).eval()
        recalibrate(net, resize_images(calibration, calibrated_at))
        with torch.no_grad():
            return 100 * float((net(resize_images(images, 16)).argmax(1) == labels).float().mean())

    own = evaluate(
        trained, small, make_loader(300, seed=5), EvaluationSettings(calibration=calibration)
    )
    assert own.top1[0] == pytest.approx(top1(16))
    assert top1(16) > top1(32) + 5


def test_accuracies_are_those_of_the_recalibrated_net(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    val, train = make_loader(130, seed=5, batch_size=40), make_loader(200, seed=6)
    subnets = space.from_matrix(space.sample(5, seed=1))
    accuracies = evaluate(trained, subnets, val, EvaluationSettings(calibration=train))
    images, labels = val.dataset.tensors
    for i, subnet in enumerate(subnets):
        net = trained.extract(subnet).eval()
        recalibrate(net, resize_images(train.dataset.tensors[0], subnet.resolution))
        with torch.no_grad():
            right = net(resize_images(images, subnet.resolution)).argmax(1) == labels
        assert accuracies.top1[i] == pytest.approx(100 * float(right.float().mean()))
    assert (accuracies.top5 == 100).all()  # there are four classes
    assert (accuracies.n_images == 130).all()
    assert accuracies.space.from_matrix(accuracies.matrix) == subnets
    p = accuracies.top1[0] / 100
    assert accuracies.top1_std[0] == pytest.approx(100 * math.sqrt(p * (1 - p) / 130))


def test_top5_counts_the_five_largest_logits(space: SearchSpace) -> None:
    wide = SearchSpace(optuna_ofa.space.mobilenet_v3_small_images("ten", n_classes=10, width=0.5))
    torch.manual_seed(0)
    supernet = Supernet(wide.family)
    images, labels = torch.randn(50, 3, 20, 20), torch.arange(50) % 10
    accuracies = evaluate(
        supernet, wide.smallest(), [(images, labels)], EvaluationSettings(calibration=images)
    )
    net = supernet.extract(wide.smallest()).eval()
    recalibrate(net, images)
    with torch.no_grad():
        order = net(images).argsort(1, descending=True)
    right = (order[:, :5] == labels[:, None]).any(1)
    assert accuracies.top5[0] == pytest.approx(100 * float(right.float().mean()))
    assert accuracies.top1[0] < accuracies.top5[0] < 100


def test_the_supernet_stays_as_it_is(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    trained.train().activate(space.smallest())
    frozen = next(trained.parameters()).requires_grad_(False)
    state = copy.deepcopy(trained.state_dict())
    evaluate(
        trained, space.largest(), make_loader(50), EvaluationSettings(calibration=make_loader(60))
    )
    assert trained.training
    assert all(module.training for module in trained.modules())
    assert trained.active == space.smallest()
    assert not frozen.requires_grad
    assert all(p.requires_grad and p.grad is None for p in list(trained.parameters())[1:])
    assert all(torch.equal(state[name], t) for name, t in trained.state_dict().items())


def test_one_several_or_a_matrix(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    matrix = space.sample(3, seed=0)
    settings = EvaluationSettings(calibration=make_loader(60))
    by_matrix = evaluate(trained, matrix, make_loader(50), settings)
    subnets = space.from_matrix(matrix)
    by_list = evaluate(trained, iter(subnets), make_loader(50), settings)
    one = evaluate(trained, subnets[1], make_loader(50), settings)
    np.testing.assert_array_equal(by_matrix.top1, by_list.top1)
    np.testing.assert_array_equal(one.top1, by_list.top1[1:2])
    assert len(evaluate(trained, [], make_loader(50), settings)) == 0


def test_resolutions_that_the_family_was_not_trained_for(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    subnet = space.subnet(resolution=20)
    found = evaluate(
        trained, subnet, make_loader(50), EvaluationSettings(calibration=make_loader(60))
    )
    assert found.space.from_matrix(found.matrix) == [subnet]
    assert np.isfinite(found.top1).all()


def test_equal_subnets_are_evaluated_once(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, passes: list[int]
) -> None:
    matrix = np.repeat(space.sample(2, seed=0), 3, axis=0)
    found = evaluate(
        trained, matrix, make_loader(50), EvaluationSettings(calibration=make_loader(60))
    )
    assert sorted(passes) == [50, 50, 60, 60]
    np.testing.assert_array_equal(found.top1[0::3], found.top1[2::3])


def test_nothing_is_evaluated_twice(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, passes: list[int]
) -> None:
    matrix = space.sample(5, seed=0)
    settings = EvaluationSettings(calibration=make_loader(60))
    first = evaluate(trained, matrix[:3], make_loader(50), settings, storage=url)
    assert passes.count(50) == 3
    passes.clear()
    val, train = make_loader(50, batch_size=7), make_loader(60, batch_size=11)  # the same images
    settings = EvaluationSettings(calibration=train)
    second = evaluate(trained, matrix, val, settings, storage=url)
    assert passes.count(60) == 2  # one pass of all calibration images each
    np.testing.assert_array_equal(second.top1[:3], first.top1)
    np.testing.assert_array_equal(second.n_images, [50] * 5)
    passes.clear()
    evaluate(trained, matrix, val, settings, again=True, storage=url)
    assert passes.count(60) == 5


@pytest.mark.parametrize("what", ["weights", "data", "calibration", "n_calibration", "none"])
def test_other_weights_data_or_calibration_are_other_measurements(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    passes: list[int],
    what: str,
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    evaluate(trained, space.smallest(), make_loader(50), settings, storage=url)
    passes.clear()
    val = make_loader(50)
    if what == "weights":
        next(trained.parameters()).data[0] += 1e-3
    elif what == "data":
        val = make_loader(50, seed=9)
    elif what == "calibration":
        settings = replace(settings, calibration=make_loader(60, seed=9))
    elif what == "n_calibration":
        settings = replace(settings, n_calibration=59)
    else:
        settings = replace(settings, calibration=None)
    evaluate(trained, space.smallest(), val, settings, storage=url)
    assert passes


def test_weights_in_another_table_are_evaluated_anew(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    first = evaluate(trained, space.smallest(), make_loader(50), settings, storage=url)
    stages = tuple(replace(stage, act="relu6") for stage in space.family.stages)
    other = Supernet(replace(space.family, stages=stages))
    other.load_state_dict(trained.state_dict())
    smallest = SearchSpace(other.family).smallest()
    stored = evaluate(other, smallest, make_loader(50), settings, storage=url)
    alone = evaluate(other, smallest, make_loader(50), settings)
    assert stored.top1[0] == alone.top1[0]
    assert stored.setup["family"] != first.setup["family"]


def test_a_label_of_the_data_tells_nothing_apart(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, passes: list[int]
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60), data="quadrants")
    first = evaluate(trained, space.smallest(), make_loader(50), settings, storage=url)
    passes.clear()
    for renamed in (replace(settings, data="others"), replace(settings, data=None)):
        evaluate(trained, space.smallest(), make_loader(50), renamed, storage=url)
    assert not passes
    for n in (40, 500):  # other calibration, and other images, of the same label
        few = replace(settings, calibration=make_loader(n), n_calibration=400)
        other = evaluate(trained, space.smallest(), make_loader(50), few, storage=url)
        assert other.setup["calibration"]["n_images"] == min(n, 400)
    other = evaluate(trained, space.smallest(), make_loader(70), settings, storage=url)
    assert other.setup["data"]["n_images"] == other.n_images[0] == 70
    (row,) = optuna_ofa.read_measurements(url, space, metric="top1", setup=first.setup)
    assert row.details["data"] == "quadrants"
    assert row.details["worker"] == platform.node()
    assert row.group.startswith(f"{platform.node()}, quadrants, 50 images, ")


def test_a_label_of_the_worker_tells_nothing_apart(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, passes: list[int]
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60), worker="ada")
    evaluate(trained, space.smallest(), make_loader(50), settings, storage=url)
    passes.clear()
    evaluate(trained, space.smallest(), make_loader(50), replace(settings, worker="b"), storage=url)
    assert not passes
    (row,) = optuna_ofa.read_measurements(url, space, metric="top1")
    assert row.details["worker"] == "ada"
    assert row.setup["data"]["n_images"] == row.n == 50
    assert row.setup["calibration"]["n_images"] == 60


@pytest.mark.parametrize("n", [4, 31, 32])
def test_few_calibration_images_are_said(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, n: int
) -> None:
    images = make_loader(n).dataset.tensors[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for calibration in (images, [(images, torch.zeros(n))]):
            settings = EvaluationSettings(calibration=calibration)
            found = evaluate(trained, space.smallest(), make_loader(50), settings)
            assert found.setup["calibration"]["n_images"] == n
    said = [str(w.message) for w in caught if w.category is CalibrationWarning]
    assert len(said) == (2 if n < 32 else 0)
    assert all(f"there are {n}:" in text for text in said)


def shuffled(make_loader: Loaders, n: int = 200) -> DataLoader:
    return DataLoader(make_loader(n).dataset, batch_size=50, shuffle=True)


def test_a_calibration_loader_that_shuffles_is_said_and_taken_alike(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, passes: list[int]
) -> None:
    train = shuffled(make_loader)
    for _ in range(2):
        settings = EvaluationSettings(calibration=train, n_calibration=60)
        with pytest.warns(CalibrationWarning, match="take_images"):
            found = evaluate(trained, space.smallest(), make_loader(50), settings, storage=url)
        torch.rand(1)
    assert passes.count(60) == 1
    taken = EvaluationSettings(calibration=take_images(train, 60))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = evaluate(trained, space.smallest(), make_loader(50), taken, storage=url)
    assert passes.count(60) == 1
    assert again.setup == found.setup


class Noisy:
    """A loader that gives other images each time, whatever seeds there are."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader, self.n_read = loader, 0

    def __iter__(self) -> Iterator[Any]:
        self.n_read += 1
        for images, labels in self.loader:
            yield images + 0.1 * self.n_read, labels


def test_calibration_images_are_taken_once_for_all_calls(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    train = Noisy(make_loader(60))
    settings = EvaluationSettings(calibration=train)
    subnets = space.from_matrix(space.sample(2, seed=0))
    with pytest.warns(CalibrationWarning, match="different images each time"):
        first = evaluate(trained, subnets[0], make_loader(50), settings, storage=url)
    n_read = train.n_read
    second = evaluate(trained, subnets[1], make_loader(50), settings, storage=url)
    assert train.n_read == n_read
    assert second.setup == first.setup


def test_functions_of_a_resolution_that_differ_are_said(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    train = Noisy(make_loader(60))
    settings = EvaluationSettings(calibration=lambda resolution: train)
    with pytest.warns(CalibrationWarning, match="different images each time"):
        evaluate(trained, space.smallest(), make_loader(50), settings)


def test_a_loader_that_gives_other_images_is_said(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    with pytest.warns(CalibrationWarning, match="`loader` gave other images"):
        evaluate(trained, space.smallest(), Noisy(make_loader(50)), settings, storage=url)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the order does not count
        evaluate(trained, space.smallest(), shuffled(make_loader, 50), settings, storage=url)


def test_a_subnet_that_fails_is_recorded_and_the_rest_goes_on(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, passes: list[int]
) -> None:
    last = trained.blocks[-1]  # only in subnets of full depth
    next(last.parameters()).data.fill_(math.nan)
    deep, shallow = space.largest(), space.subnet(depth=1)
    settings = EvaluationSettings(calibration=make_loader(60))
    with pytest.warns(FailedMeasurementWarning, match="1 of 2 subnets could not be.*NaN"):
        found = evaluate(trained, [deep, shallow], make_loader(50), settings, storage=url)
    assert np.isfinite(found.top1).tolist() == [False, True]
    assert "NaN" in found.failures[0]
    assert found.n_images.tolist() == [0, 50]
    assert math.isnan(found.top1_std[0])
    passes.clear()
    with pytest.warns(FailedMeasurementWarning, match="The next call retries them"):
        again = evaluate(trained, [deep, shallow], make_loader(50), settings, storage=url)
    assert again.failures == found.failures
    assert passes.count(60) == 1  # the deep one alone
    rows = optuna_ofa.read_measurements(url, space, metric="top1", failed=True)
    assert [row.error is None for row in rows] == [True, False]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str, value: float
) -> None:
    next(trained.parameters()).data.view(-1)[0] = value
    settings = EvaluationSettings(calibration=make_loader(60))
    expected = r"`supernet` must have finite weights .* `first_conv\.\S+` has NaN or infinity"
    for subnets in (space.smallest(), [space.smallest(), space.largest()]):
        with pytest.raises(InvalidArgumentError, match=expected):
            evaluate(trained, subnets, make_loader(50), settings, storage=url)
    assert optuna_ofa.read_measurements(url, space, metric="top1", failed=True) == []


def fail_with(
    error: Exception,
    supernet: Supernet,
    monkeypatch: pytest.MonkeyPatch,
    good: tuple[int, ...] = (),
) -> None:
    """Let all subnets of a supernet fail, but for some, counted as they are extracted."""
    extract, calls = supernet.extract, itertools.count()

    def fail(subnet: Subnet) -> nn.Module:
        if next(calls) in good:
            return extract(subnet)
        raise error

    monkeypatch.setattr(supernet, "extract", fail)


@pytest.mark.parametrize(
    ("error", "n", "message"),
    [
        (RuntimeError("CUDA error: unspecified launch failure"), 1, "device failed.*CUDA error"),
        (ConnectionResetError("unplugged"), 1, "device failed.*unplugged"),
        (AttributeError("no attribute 'weight'"), 1, "device failed.*no attribute"),
        (RuntimeError("boom"), 2, "after 0 of 2 .* all 2 subnets failed .*: RuntimeError: boom"),
        (RuntimeError("boom"), 9, "after 0 of 9 .* 3 subnets in a row failed: RuntimeError: boom"),
    ],
    ids=["cuda", "connection", "broken-module", "alike", "in-a-row"],
)
def test_errors_of_the_device_are_raised_and_leave_nothing(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    n: int,
    message: str,
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    matrix = space.sample(n, seed=0)
    with monkeypatch.context() as context:
        fail_with(error, trained, context)
        with pytest.raises(MeasurementError, match=message):
            evaluate(trained, matrix, make_loader(50), settings, storage=url)
    assert optuna_ofa.read_measurements(url, space, metric="top1", failed=True) == []
    found = evaluate(trained, matrix, make_loader(50), settings, storage=url)
    assert np.isfinite(found.top1).all()


def test_what_was_evaluated_before_the_device_failed_is_kept(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60))
    matrix = space.restrict(resolution=16).sample(14, seed=0)
    with monkeypatch.context() as context:
        fail_with(RuntimeError("boom"), trained, context, good=(*range(8), 9))
        with pytest.raises(MeasurementError, match="after 9 of 14 subnets"):
            evaluate(trained, matrix, make_loader(50), settings, storage=url)
    assert len(optuna_ofa.read_measurements(url, space, metric="top1", failed=True)) == 9


class Killer:
    """A loader whose reading ends the process, but for the parent's."""

    def __init__(self, parent: int, loader: DataLoader) -> None:
        self.parent, self.loader = parent, loader

    def __iter__(self) -> Iterator[Any]:
        if os.getpid() != self.parent:
            os._exit(1)
        return iter(self.loader)


class Broken(Killer):
    """A loader that no other process can read."""

    def __setstate__(self, state: Any) -> None:
        raise AttributeError("no such transform")


@pytest.mark.parametrize(
    ("kind", "message"), [(Broken, "cannot read the `loader`.*no such")], ids=["broken"]
)
def test_a_worker_that_fails_is_an_error_of_ours(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    kind: type[Killer],
    message: str,
) -> None:
    settings = EvaluationSettings(calibration=make_loader(60), processes=2)
    loader = kind(os.getpid(), make_loader(50))
    with pytest.raises(MeasurementError, match=message):
        evaluate(trained, space.sample(2, seed=0), loader, settings, storage=url)
    assert optuna_ofa.read_measurements(url, space, metric="top1", failed=True) == []


def test_lack_of_memory_is_no_property_of_a_subnet(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(subnet: Subnet) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(trained, "extract", fail)
    with pytest.raises(torch.OutOfMemoryError, match="no memory"):
        evaluate(
            trained,
            space.smallest(),
            make_loader(50),
            EvaluationSettings(calibration=None),
            storage=url,
        )
    assert optuna_ofa.read_measurements(url, space, metric="top1", failed=True) == []


def test_what_was_evaluated_before_an_interruption_is_kept(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    loader = make_loader(50)
    n_read = 0

    class Interrupted:
        def __iter__(self) -> Iterator[Any]:
            nonlocal n_read
            n_read += 1
            if n_read == 3:  # the hash, the first eight subnets, the next ones
                raise KeyboardInterrupt
            yield from loader

    one_size = space.restrict(resolution=16)
    with pytest.raises(KeyboardInterrupt):
        evaluate(
            trained,
            one_size.sample(12, seed=0),
            Interrupted(),
            EvaluationSettings(calibration=make_loader(60)),
            storage=url,
        )
    assert len(optuna_ofa.read_measurements(url, space, metric="top1")) == 8


def test_processes_find_the_same(
    trained: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    matrix = space.sample(5, seed=2)
    settings = EvaluationSettings(calibration=make_loader(100))
    serial = evaluate(trained, matrix, make_loader(80), settings)
    in_two = replace(settings, processes=2)
    several = evaluate(trained, matrix, make_loader(80), in_two, storage=url)
    np.testing.assert_array_equal(several.top1, serial.top1)
    rows = optuna_ofa.read_measurements(url, space, metric="top1")
    assert {row.subnet: row.value for row in rows} == dict(
        zip(space.from_matrix(matrix), serial.top1.tolist(), strict=True)
    )


def test_a_loader_that_cannot_be_pickled_is_refused(
    trained: Supernet, space: SearchSpace, make_loader: Loaders
) -> None:
    with pytest.raises(InvalidArgumentError, match="`loader` must be picklable"):
        evaluate(
            trained,
            space.sample(4, seed=0),
            lambda r: make_loader(50),
            EvaluationSettings(calibration=make_loader(60), processes=2),
        )


def test_rows_can_be_fitted_and_read_from_a_study(
    supernet: Supernet, space: SearchSpace, make_loader: Loaders, url: str
) -> None:
    study = optuna.create_study(storage=url)
    found = evaluate(
        supernet,  # it guesses, so no two subnets are right as often
        space.sample(6, seed=0),
        make_loader(100),
        EvaluationSettings(calibration=make_loader(60)),
        storage=study,
    )
    rows = optuna_ofa.read_measurements(study, space, metric="top1", setup=found.setup)
    predictor = optuna_ofa.AccuracyPredictor.fit(
        space, [row.subnet for row in rows], [row.value for row in rows]
    )
    assert predictor.predict(found.matrix).shape == (6,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"processes": 0}, "`processes` must be a whole number", id="processes"),
        pytest.param({"n_calibration": 0}, "`n_calibration` must be a whole number", id="n"),
        pytest.param({"device": "abacus"}, "`device` must be one that torch has", id="device"),
        pytest.param({"device": "meta"}, "`device` must be .*keeps no numbers", id="meta"),
        pytest.param(
            {"device": "cuda:99"}, "`device` must be .*'cuda:99'.*CUDA devices", id="cuda"
        ),
        pytest.param({"calibration": []}, "`calibration` must give at least one", id="empty"),
        pytest.param({"calibration": torch.zeros(0, 3, 8, 8)}, "at least one image", id="none"),
        pytest.param(
            {"calibration": torch.zeros(2, 1, 8, 8)}, "`calibration` must be images", id="channels"
        ),
        pytest.param(
            {"calibration": torch.zeros(2, 3, 8, 8) / 0}, "must be images of finite", id="nan"
        ),
    ],
)
def test_bad_arguments(
    trained: Supernet,
    space: SearchSpace,
    make_loader: Loaders,
    arguments: dict[str, Any],
    message: str,
) -> None:
    arguments = {"calibration": make_loader(60), **arguments}
    with pytest.raises(InvalidArgumentError, match=message):
        evaluate(trained, space.smallest(), make_loader(50), EvaluationSettings(**arguments))


def test_subnets_of_another_family_are_refused(trained: Supernet, make_loader: Loaders) -> None:
    other = SearchSpace("ofa_mbv3_w1.0").smallest()
    with pytest.raises(InvalidSubnetError, match="must be of quadrants"):
        evaluate(trained, other, make_loader(50), EvaluationSettings(calibration=None))

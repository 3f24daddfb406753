"""Two processes train as one does with both shares of each batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from optuna_ofa.training._sync_batch_norm import _forward

SCRIPT = """
import torch
import torch.distributed as dist
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import ProgressiveShrinking, Sandwich, TrainingSettings, train

torch.set_num_threads(1)
if n > 1:
    dist.init_process_group("gloo", init_method=f"file://{out}.group", rank=rank, world_size=n)
generator = torch.Generator().manual_seed(1)
images = torch.randn(64, 1, 12, 12, generator=generator)
labels = torch.randint(4, (64,), generator=generator)
share = 16 // n
batches = [
    (images[i : i + share], labels[i : i + share])
    for i in range(rank * share, 64, 16)
]
torch.manual_seed(rank)  # the first process's weights are everybody's
family = mobilenet_v3_small_images(
    "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
)
calls = []


def kernels(subnet):
    return float(sum(subnet.kernel))


history = train(
    net := Supernet(family).double(),
    [(x.double(), y) for x, y in batches],
    recipe=ProgressiveShrinking(
        n_steps=12, learning_rate=0.1, shares={"depth 1": 100, "expand 1": 100}
    ),
    settings=TrainingSettings(sync_batch_norm=sync, max_gradient_norm=2.0),
    evaluate=lambda net, subnets: calls.append(subnets) or [kernels(s) for s in subnets],
    progress=False,
)
assert [entry.top1 for entry in history.entries] == [tuple(map(kernels, history.subnets))] * 6
assert calls == [history.subnets[rank::n]] * 6
torch.save(net.state_dict(), f"{out}.{rank}")
if n > 1:
    dist.destroy_process_group()
"""


Run = Callable[[str, int, bool], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, processes: Any) -> Run:
    """Train, and return the weights that each of ``n`` processes has at the end."""
    folder = tmp_path_factory.mktemp("distributed")

    def run(name: str, n: int, sync: bool) -> list[dict[str, Any]]:
        names = {"out": str(folder / name), "n": n, "sync": sync}
        processes.finish(*(processes.start(SCRIPT, rank=rank, **names) for rank in range(n)))
        return [torch.load(folder / f"{name}.{rank}", weights_only=True) for rank in range(n)]

    return run


@pytest.fixture(scope="module")
def together(run: Run) -> list[dict[str, Any]]:
    return run("two", 2, True)


def test_two_processes_equal_one(run: Run, together: list[dict[str, Any]]) -> None:
    (one,) = run("one", 1, True)
    for name, tensor in one.items():
        torch.testing.assert_close(together[0][name], tensor, rtol=1e-8, atol=1e-10, msg=name)


def test_all_processes_have_the_same_weights(together: list[dict[str, Any]]) -> None:
    first, second = together
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_batches_that_are_normalised_apart_share_their_gradients(
    run: Run, together: list[dict[str, Any]]
) -> None:
    first, second = run("apart", 2, False)
    own = ("running_mean", "running_var")
    weights = [name for name in first if not name.endswith(own)]
    for name in weights:
        assert torch.equal(first[name], second[name]), name
    assert any(not torch.equal(first[n], second[n]) for n in first if n not in weights)
    assert not torch.equal(first[weights[0]], together[0][weights[0]])


def test_layers_of_mixed_precision_have_the_statistics_of_single_precision() -> None:
    layer, plain = (nn.BatchNorm2d(3) for _ in range(2))
    # squares and sums of these are not numbers of float16
    x = (500 * torch.randn(8, 3, 4, 4, generator=torch.Generator().manual_seed(0))).half()
    found = _forward(layer, x)
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), plain(x.float()), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(layer.state_dict(), plain.state_dict())

"""ResNet-20 for CIFAR-10, the largest subnet of its family, against plain functions of torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from optuna_ofa.space import SearchSpace
from optuna_ofa.supernet import Supernet

State = Mapping[str, Tensor]
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def normed(state: State, name: str, x: Tensor) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(state[f"{name}.{entry}"] for entry in names))


def resnet20(state: State, x: Tensor) -> Tensor:
    """ResNet-20 of ``akamaster/pytorch_resnet_cifar10`` with shortcuts of option A."""
    x = F.relu(normed(state, "bn1", F.conv2d(x, state["conv1.weight"], padding=1)))
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.relu(normed(state, f"{name}.bn1", y))
            y = F.conv2d(y, state[f"{name}.conv2.weight"], padding=1)
            y = normed(state, f"{name}.bn2", y)
            if stride == 2:
                quarter = y.shape[1] // 4
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter))
            x = F.relu(x + y)
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def own_keys(net: Supernet) -> list[str]:
    """The keys of the same tensors in our supernet."""
    return [name for name in net.state_dict() if not name.endswith("num_batches_tracked")]


def give(net: Supernet, state: State) -> None:
    renamed = dict(zip(own_keys(net), state.values(), strict=True))
    net.load_state_dict({**net.state_dict(), **renamed})


@pytest.fixture
def weights(shared_data: Path) -> dict[str, Tensor]:
    """The published weights of ResNet-20."""
    path = shared_data / "pretrained" / "resnet20-12fca82f.th"
    if not path.exists():
        pytest.skip("the weights of ResNet-20 are not in the shared folder")
    found = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@torch.no_grad()
def test_the_largest_subnet_is_the_published_resnet20(
    weights: dict[str, Tensor], dtype: torch.dtype
) -> None:
    net = Supernet("resnet20_cifar10").to(dtype).eval()
    give(net, weights)
    state = {name: tensor.to(dtype) for name, tensor in weights.items()}
    images = torch.randn(8, 3, 32, 32, dtype=dtype, generator=torch.Generator().manual_seed(0))
    expected = resnet20(state, images)
    assert expected.std() > 0.5
    assert (net(images) - expected).abs().max() <= TOLERANCE[dtype]
    plain = net.extract(SearchSpace("resnet20_cifar10").largest())
    assert (plain(images) - expected).abs().max() <= TOLERANCE[dtype]


@torch.no_grad()
def test_smaller_middles_are_the_first_channels(weights: dict[str, Tensor]) -> None:
    net = Supernet("resnet20_cifar10").double().eval()
    give(net, weights)
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    net.activate(SearchSpace("resnet20_cifar10").subnet(resolution=32, depth=3, expand=0.5))
    expected = resnet20(sliced(weights), images)
    assert (net(images) - expected).abs().max() <= 1e-10


def sliced(weights: State) -> dict[str, Tensor]:
    """Keep the first half of the middle channels of every block."""
    state = {name: tensor.double() for name, tensor in weights.items()}
    for stage, block in ((s, b) for s in (1, 2, 3) for b in range(3)):
        name = f"layer{stage}.{block}"
        half = len(state[f"{name}.conv1.weight"]) // 2
        norm = ("weight", "bias", "running_mean", "running_var")
        for entry in ("conv1.weight", *(f"bn1.{entry}" for entry in norm)):
            state[f"{name}.{entry}"] = state[f"{name}.{entry}"][:half]
        state[f"{name}.conv2.weight"] = state[f"{name}.conv2.weight"][:, :half]
    return state

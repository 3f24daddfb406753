"""A pretrained ResNet-20 for CIFAR-10, computed without this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

RESNET20 = Path(__file__).parents[3] / "shared" / "data" / "pretrained" / "resnet20-12fca82f.th"


@pytest.fixture(scope="session")
def resnet20() -> tuple[Callable[[Tensor], Tensor], Path]:
    """Its logits of images, and the file of its weights."""
    if not RESNET20.is_file():
        pytest.skip("the weights of ResNet-20 are not in ../shared")
    state = torch.load(RESNET20, map_location="cpu", weights_only=True)["state_dict"]
    state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return lambda images: _logits(state, images), RESNET20


def _logits(state: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """``resnet.py`` of ``akamaster/pytorch_resnet_cifar10``, with shortcuts A."""
    state = {key: tensor.to(x.dtype) for key, tensor in state.items() if tensor.ndim}
    x = _unit(state, "", "1", x, 1).relu()
    for layer in range(1, 4):
        for block in range(3):
            name, stride = f"layer{layer}.{block}.", 2 if layer > 1 and block == 0 else 1
            y = _unit(state, name, "1", x, stride).relu()
            y = _unit(state, name, "2", y, 1)
            if stride == 2:
                side = x.shape[1] // 2
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, side, side))
            x = (x + y).relu()
    return F.linear(x.mean((2, 3)), state["linear.weight"], state["linear.bias"])


def _unit(state: Mapping[str, Tensor], name: str, number: str, x: Tensor, stride: int) -> Tensor:
    bn = [state[f"{name}bn{number}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")]
    return F.batch_norm(F.conv2d(x, state[f"{name}conv{number}.weight"], None, stride, 1), *bn)

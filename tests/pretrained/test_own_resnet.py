"""A ResNet that no known family is: ResNet-18, by a table and the keys of torchvision."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from optuna_ofa import supernet_from
from optuna_ofa.space import Family, Head, SearchSpace, Stage, Stem

STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
NORM = ("running_mean", "running_var", "weight", "bias")
RESNET18 = Family(
    name="resnet18",
    architecture="ResNets",
    block="basic",
    resolutions=(64, 128, 224),
    kernels=(3,),
    expands=(0.5, 1),
    width_mults=(1,),
    stem=Stem((64,), (64,), act="relu", kernel=7, n_convs=1),
    stages=tuple(Stage((c,), stride, "relu", depths=(1, 2)) for c, stride in STAGES),
    head=Head(0, 0, act="relu"),
    shortcut="conv",
)


def random_state() -> dict[str, Tensor]:
    """A state dict with the keys and shapes of ``torchvision.models.resnet18``."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}

    def add(conv: str, norm: str, n_in: int, n_out: int, kernel: int) -> None:
        scale = (2 / (n_in * kernel**2)) ** 0.5
        shape = (n_out, n_in, kernel, kernel)
        state[f"{conv}.weight"] = scale * torch.randn(shape, generator=generator).double()
        for entry in NORM:
            state[f"{norm}.{entry}"] = torch.rand(n_out, generator=generator).double() + 0.5

    add("conv1", "bn1", 3, 64, 7)
    n_in = 64
    for stage, (n_out, _) in enumerate(STAGES, start=1):
        for block in (0, 1):
            name = f"layer{stage}.{block}"
            add(f"{name}.conv1", f"{name}.bn1", n_in, n_out, 3)
            add(f"{name}.conv2", f"{name}.bn2", n_out, n_out, 3)
            if n_in != n_out:
                add(f"{name}.downsample.0", f"{name}.downsample.1", n_in, n_out, 1)
            n_in = n_out
    state["fc.weight"] = torch.randn(1000, 512, generator=generator).double() / 512**0.5
    return state | {"fc.bias": torch.zeros(1000).double()}


def resnet18(state: dict[str, Tensor], x: Tensor, n_blocks: int = 2) -> Tensor:
    def conv(name: str, norm: str, y: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        y = F.conv2d(y, weight, stride=stride, padding=weight.shape[-1] // 2)
        return F.batch_norm(y, *(state[f"{norm}.{entry}"] for entry in NORM))

    x = F.max_pool2d(F.relu(conv("conv1", "bn1", x, 2)), 3, 2, 1)
    for stage, (_, own_stride) in enumerate(STAGES, start=1):
        for block in range(n_blocks):
            name, stride = f"layer{stage}.{block}", own_stride if block == 0 else 1
            y = F.relu(conv(f"{name}.conv1", f"{name}.bn1", x, stride))
            y = conv(f"{name}.conv2", f"{name}.bn2", y)
            if f"{name}.downsample.0.weight" in state:
                x = conv(f"{name}.downsample.0", f"{name}.downsample.1", x, stride)
            x = F.relu(x + y)
    return F.linear(x.mean((2, 3)), state["fc.weight"], state["fc.bias"])


@pytest.mark.parametrize(("depth", "size"), [(1, 75), (2, 64)], ids=["shortest", "whole"])
@torch.no_grad()
def test_its_subnets_are_the_network_and_shorter_ones(depth: int, size: int) -> None:
    state = random_state()
    supernet = supernet_from(state, RESNET18).eval()
    assert sum(p.numel() for p in supernet.parameters()) == 11_689_512
    supernet.activate(SearchSpace(RESNET18).subnet(depth=(depth,) * 4, expand=1))
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)).double()
    expected = resnet18(state, images, depth)
    torch.testing.assert_close(supernet(images), expected, rtol=1e-10, atol=1e-10)

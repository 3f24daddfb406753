"""TensorFlow's padding "same": dynamic in a supernet, fixed in an extracted network."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from optuna_ofa.space import Head, SearchSpace, Stage, Stem, padding
from optuna_ofa.space._family import Family
from optuna_ofa.supernet import Supernet

FAMILY = Family(
    name="padded",
    architecture="EfficientNet",
    block="mbconv",
    resolutions=(17, 32),
    kernels=(3, 5),
    expands=(2, 3),
    width_mults=(1,),
    stem=Stem((8,), (8,), act="relu6", block_act="relu6"),
    stages=(
        Stage((8,), 2, "relu6", depths=(1, 2), kernel=3),
        Stage((16,), 2, "relu6", depths=(1, 2), kernel=5),
    ),
    head=Head(0, 16, act="relu6", n_classes=4),
    padding="same",
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (224, 3, 2, (0, 1)),
        (28, 5, 2, (1, 2)),
        (65, 3, 2, (1, 1)),
        (65, 5, 2, (2, 2)),
        (14, 5, 1, (2, 2)),
        (1, 5, 2, (2, 2)),
        (8, 1, 2, (0, 0)),
        (7, 3, 4, (0, 0)),
    ],
)
def test_pixels_on_both_sides(
    size: int, kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    found = padding(size, kernel, stride, "same")
    assert found == expected
    assert (size + sum(found) - kernel) // stride + 1 == math.ceil(size / stride)


def test_half_does_not_depend_on_the_size() -> None:
    assert {padding(size, 5, 2, "half") for size in (7, 8)} == {(2, 2)}


def by_hand(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Compute an extracted network with padding found from the images themselves."""

    def unit(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        conv = module.get_submodule("conv")
        assert isinstance(conv, torch.nn.Conv2d)
        kernel, stride = conv.kernel_size[0], conv.stride[0]
        total = max((math.ceil(x.shape[-1] / stride) - 1) * stride + kernel - x.shape[-1], 0)
        before, after = total // 2, total - total // 2
        y = F.conv2d(
            F.pad(x, (before, after, before, after)), conv.weight, None, stride, groups=conv.groups
        )
        y = module.get_submodule("bn")(y)
        return F.relu6(y) if hasattr(module, "act") else y

    x = unit(net.get_submodule("first_conv"), x)
    for block in net.get_submodule("blocks"):
        y = x
        for part in block.get_submodule("conv"):
            y = unit(part, y)
        x = x + y if block.shortcut else y
    x = unit(net.get_submodule("feature_mix_layer"), x).mean((2, 3))
    linear = net.get_submodule("classifier.linear")
    assert isinstance(linear, torch.nn.Linear)
    return F.linear(x, linear.weight, linear.bias)


@pytest.mark.parametrize("resolution", [17, 32, 45])
def test_supernet_extraction_and_plain_torch_agree(resolution: int) -> None:
    torch.manual_seed(0)
    supernet = Supernet(FAMILY).double()
    x = torch.randn(2, 3, resolution, resolution, dtype=torch.float64)
    space = SearchSpace(FAMILY, resolution=resolution)
    for row in space.sample(4, seed=0):
        (subnet,) = space.from_matrix(row[None])
        supernet.train()
        supernet.activate(subnet)
        supernet(x)  # statistics that are not those of a new layer
        supernet.eval()
        net = supernet.extract(subnet)
        with torch.no_grad():
            expected = by_hand(net, x)
            torch.testing.assert_close(supernet(x), expected)
            torch.testing.assert_close(net(x), expected)


def test_keys_do_not_depend_on_the_padding() -> None:
    half = replace(FAMILY, name="half", padding="half")
    assert Supernet(FAMILY).state_dict().keys() == Supernet(half).state_dict().keys()


def test_a_gradient_reaches_every_weight() -> None:
    supernet = Supernet(FAMILY)
    supernet(torch.randn(2, 3, 32, 32)).sum().backward()
    idle = [n for n, p in supernet.named_parameters() if p.grad is None and "_matrix" not in n]
    assert not idle

"""A network of one's own is a table: torchvision's MobileNetV2 of width 0.5."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import optuna_ofa
from optuna_ofa.space import Family, Head, Stage, Stem

# output channels, stride and blocks of each stage
ROWS = ((16, 2, 2), (16, 2, 3), (32, 2, 4), (48, 1, 3), (80, 2, 3), (160, 1, 1))
HALF = Family(
    name="mobilenet_v2_half",
    architecture="MobileNetV2",
    block="mbconv",
    resolutions=(64, 96, 128),
    kernels=(3,),
    expands=(3, 4, 5, 6),
    width_mults=(0.5,),
    stem=Stem((16,), (8,), act="relu6", block_act="relu6"),
    stages=tuple(Stage((c,), s, "relu6", depths=tuple(range(1, n + 1))) for c, s, n in ROWS),
    head=Head(0, 1280, act="relu6", n_classes=7),
)


class Block(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int, ratio: int) -> None:
        super().__init__()
        mid = n_in * ratio
        expand = [unit(n_in, mid)] if ratio > 1 else []
        point = nn.Conv2d(mid, n_out, 1, bias=False)
        depth = unit(mid, mid, 3, stride, mid)
        self.conv = nn.Sequential(*expand, depth, point, nn.BatchNorm2d(n_out))
        self.skips = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.skips else y


def unit(n_in: int, n_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
    conv = nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), nn.ReLU6())


class Half(nn.Module):
    """The network with torchvision's names, without torchvision."""

    def __init__(self) -> None:
        super().__init__()
        layers, n_in = [unit(3, 16, 3, 2), Block(16, 8, 1, 1)], 8
        for n_out, stride, n_blocks in ROWS:
            for i in range(n_blocks):
                layers.append(Block(n_in, n_out, 1 if i else stride, 6))
                n_in = n_out
        self.features = nn.Sequential(*layers, unit(n_in, 1280))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 7))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return y


def test_the_largest_subnet_is_the_network_and_the_others_share_its_weights() -> None:
    torch.manual_seed(0)
    network, images = Half().double(), torch.randn(4, 3, 96, 96, dtype=torch.float64)
    network(images)  # statistics that are not those of a new network
    supernet = optuna_ofa.supernet_from(network.state_dict(), HALF).eval()
    space = optuna_ofa.SearchSpace(HALF)
    with torch.no_grad():
        expected = network.eval()(images)
        torch.testing.assert_close(supernet(images), expected, rtol=0, atol=1e-10)
        supernet.activate(space.smallest())
        assert supernet(images).shape == expected.shape

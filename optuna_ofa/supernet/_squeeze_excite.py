"""Squeeze-and-excitation, plain and elastic."""

from __future__ import annotations

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.costs import se_channels
from optuna_ofa.supernet._elastic import Elastic, Size, filled, first


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate that depends on the means of all channels.

    Args:
        channels: Number of channels.
        squeezed: Squeezed channels of EfficientNet's, with SiLU and a sigmoid; 0 for MobileNetV3's,
            a quarter of the channels, with ReLU and a hard sigmoid.
    """

    def __init__(self, channels: int, squeezed: int = 0):
        super().__init__()
        self.squeezed = squeezed
        mid = squeezed or se_channels(channels)
        act = {"silu": nn.SiLU(inplace=True)} if squeezed else {"relu": nn.ReLU(inplace=True)}
        gate = (
            {"sigmoid": nn.Sigmoid()} if squeezed else {"h_sigmoid": nn.Hardsigmoid(inplace=True)}
        )
        layers: dict[str, nn.Module] = {
            "reduce": nn.Conv2d(channels, mid, 1),
            **act,
            "expand": nn.Conv2d(mid, channels, 1),
            **gate,
        }
        self.fc = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, of shape ``(n, channels, height, width)``."""
        return x * self.fc(x.mean((2, 3), keepdim=True))  # type: ignore[no-any-return]


class ElasticSqueezeExcite(Elastic, SqueezeExcite):
    """Squeeze-and-excitation whose number of channels is elastic.

    MobileNetV3's squeezed channels are a quarter of the active ones; EfficientNet's do not change.

    Args:
        channels: Largest number of channels.
        squeezed: As in `SqueezeExcite`.
    """

    def __init__(self, channels: int, squeezed: int = 0):
        super().__init__(channels, squeezed)
        self.active = Size(channels, channels)

    def tensors(self, size: Size) -> dict[str, Tensor]:
        """Return the weights for a size, by their names in the state dict."""
        n, mid = size.out_channels, self.squeezed or se_channels(size.out_channels)
        weight = self.fc.get_parameter
        return {
            "fc.reduce.weight": first(first(weight("reduce.weight"), mid), n, 1),
            "fc.reduce.bias": first(weight("reduce.bias"), mid),
            "fc.expand.weight": first(first(weight("expand.weight"), n), mid, 1),
            "fc.expand.bias": first(weight("expand.bias"), n),
        }

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, of shape ``(n, active channels, height, width)``."""
        reduce, reduce_bias, expand, expand_bias = self.tensors(self.active).values()
        y = F.conv2d(x.mean((2, 3), keepdim=True), reduce, reduce_bias)
        y = F.conv2d(F.silu(y) if self.squeezed else F.relu(y), expand, expand_bias)
        return x * (y.sigmoid() if self.squeezed else F.hardsigmoid(y))

    def extract(self, size: Size | None = None) -> SqueezeExcite:
        """Return the plain module of a size with a copy of its weights."""
        size = size or self.active
        with torch.device("meta"):
            plain = SqueezeExcite(size.out_channels, self.squeezed)
        return filled(plain, self.tensors(size))

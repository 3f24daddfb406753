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
    """

    def __init__(self, channels: int):
        super().__init__()
        mid = se_channels(channels)
        layers = {
            "reduce": nn.Conv2d(channels, mid, 1),
            "relu": nn.ReLU(inplace=True),
            "expand": nn.Conv2d(mid, channels, 1),
            "h_sigmoid": nn.Hardsigmoid(inplace=True),
        }
        self.fc = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor) -> Tensor:
        """Scale ``x``, of shape ``(n, channels, height, width)``."""
        return x * self.fc(x.mean((2, 3), keepdim=True))  # type: ignore[no-any-return]


class ElasticSqueezeExcite(Elastic, SqueezeExcite):
    """Squeeze-and-excitation whose number of channels is elastic.

    The number of squeezed channels is a quarter of the active ones.

    Args:
        channels: Largest number of channels.
    """

    def __init__(self, channels: int):
        super().__init__(channels)
        self.active = Size(channels, channels)

    def tensors(self, size: Size) -> dict[str, Tensor]:
        """Return the weights for a size, by their names in the state dict."""
        n, mid = size.out_channels, se_channels(size.out_channels)
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
        y = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), reduce, reduce_bias))
        return x * F.hardsigmoid(F.conv2d(y, expand, expand_bias))

    def extract(self, size: Size | None = None) -> SqueezeExcite:
        """Return the plain module of a size with a copy of its weights."""
        size = size or self.active
        with torch.device("meta"):
            plain = SqueezeExcite(size.out_channels)
        return filled(plain, self.tensors(size))

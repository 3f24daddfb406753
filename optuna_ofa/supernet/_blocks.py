"""Modules of one layer of a network: built elastic, set to a size, extracted plain.

The containers are the same in a supernet and in an extracted net; only the units in them differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.space import Layer
from optuna_ofa.supernet import _elastic
from optuna_ofa.supernet._elastic import Plan, Size
from optuna_ofa.supernet._per_thread import PerThread
from optuna_ofa.supernet._units import activation, build_unit, units_of


class Residual(nn.Module):
    """A branch ``conv(x)``, plus ``x`` if there is a shortcut.

    Args:
        conv: The branch.
        shortcut: Whether the input is added.
    """

    def __init__(self, conv: nn.Module, shortcut: bool):
        super().__init__()
        self.conv = conv
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to ``x``, of shape ``(n, channels, height, width)``."""
        y: Tensor = self.conv(x)
        return x + y if self.shortcut else y


class ResNetBlock(nn.Module):
    """The block of a ResNet: two or three convolutions, a shortcut, an activation on the sum.

    Args:
        units: ``conv1``, ``conv2``, and ``conv3`` of a bottleneck.
        downsample: Makes the input fit the output.
        act: The activation.
    """

    def __init__(self, units: Mapping[str, nn.Module], downsample: nn.Module, act: nn.Module):
        super().__init__()
        self.names = tuple(units)
        for name, unit in units.items():
            self.add_module(name, unit)
        self.downsample = downsample
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to ``x``, of shape ``(n, channels, height, width)``."""
        y = x
        for name in self.names:
            y = self.get_submodule(name)(y)
        summed: Tensor = self.act(y + self.downsample(x))
        return summed


class PaddedShortcut(nn.Module):
    """Every ``stride``-th pixel, with as many channels of zeros before as after those of the input.

    Args:
        stride: The stride.
        n_more: Number of channels to add; of an odd number there is one more after them.
    """

    def __init__(self, stride: int, n_more: int):
        super().__init__()
        self.stride = stride
        self.padding = (0, 0, 0, 0, n_more // 2, n_more - n_more // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to ``x``, of shape ``(n, channels, height, width)``."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


def join_units(layer: Layer, units: Mapping[str, nn.Module], dropout: float) -> nn.Module:
    """Assemble the units of a layer; ``dropout`` applies to the classifier."""
    match layer.kind:
        case "mbconv":
            branch = OrderedDict((n.removeprefix("conv."), unit) for n, unit in units.items())
            return Residual(nn.Sequential(branch), layer.shortcut)
        case "bottleneck" | "basic":
            convs = {name: unit for name, unit in units.items() if name != "downsample"}
            return ResNetBlock(convs, _downsample(layer, units), activation(layer.act))
        case "conv":
            (conv,) = units.values()
            return Residual(conv, True) if layer.shortcut else conv
        case "linear":
            first = {"flatten": nn.Flatten(), "dropout": nn.Dropout(dropout)}
            return nn.Sequential(OrderedDict({**first, **units}))
        case "max_pool":
            return nn.MaxPool2d(layer.kernel, layer.stride, layer.kernel // 2)
        case "avg_pool":
            return nn.AdaptiveAvgPool2d(1)


def _downsample(layer: Layer, units: Mapping[str, nn.Module]) -> nn.Module:
    if layer.shortcut:
        return nn.Identity()
    if layer.downsample == "pad":
        return PaddedShortcut(layer.stride, layer.out_channels - layer.in_channels)
    return units["downsample"]


def build(
    layer: Layer,
    *,
    kernels: Iterable[int],
    bn_eps: float,
    dropout: float,
    own: Iterable[Layer] | None = None,
) -> nn.Module:
    """Build the elastic module whose largest choice is this layer.

    Args:
        layer: The largest choice.
        kernels: Kernel sizes of a depthwise convolution.
        bn_eps: Epsilon of batch normalisations.
        dropout: Probability of dropping a feature before the classifier.
        own: The choices that get projections and kernels of their own; None means that they use
            parts of the largest ones.
    """
    sizes = None if own is None else _own_sizes(layer, own)
    units = {
        name: build_unit(unit, kernels, bn_eps, None if sizes is None else sizes.get(name, {}))
        for name, unit in units_of(layer).items()
    }
    return join_units(layer, units, dropout)


def _own_sizes(largest: Layer, choices: Iterable[Layer]) -> dict[str, dict[str, int]]:
    """Return the input channels of each own weight by name, for the units that have some."""
    sizes: dict[str, dict[str, int]] = {}
    units = units_of(largest)
    for layer in choices:
        for name, unit in units_of(layer).items():
            if unit.size.own not in ("", units[name].size.own):
                sizes.setdefault(name, {})[unit.size.own] = unit.size.in_channels
    return sizes


def sizes_of(slot: int, layer: Layer) -> dict[str, Size]:
    """Return the size of each unit of the layer of a slot."""
    return {f"{slot}.{name}": unit.size for name, unit in units_of(layer).items()}


def follow(module: nn.Module, slot: int, layer: Layer, plan: PerThread[Plan]) -> None:
    """Let the elastic module of a slot, built of its largest layer, take its sizes from a plan."""
    for name in units_of(layer):
        _elastic.follow(module.get_submodule(name), plan, f"{slot}.{name}")


def fixed(module: nn.Module, layer: Layer, dropout: float) -> nn.Module:
    """Return `extract` for maps of any size, of a layer that all subnets have in common."""
    units = {
        name: _elastic.plain_copy(module.get_submodule(name), unit.size._replace(image=0))
        for name, unit in units_of(layer).items()
    }
    return join_units(layer, units, dropout)


def extract(module: nn.Module, layer: Layer, dropout: float) -> nn.Module:
    """Return the plain module of a layer from an elastic one, with copies of the weights."""
    units = {
        name: _elastic.plain_copy(module.get_submodule(name), unit.size)
        for name, unit in units_of(layer).items()
    }
    return join_units(layer, units, dropout)


def build_layer(layer: Layer, *, bn_eps: float = 1e-5) -> nn.Module:
    """Build the plain module of a layer, with new weights."""
    elastic = build(layer, kernels=(layer.kernel,), bn_eps=bn_eps, dropout=0.0)
    return extract(elastic, layer, 0.0)

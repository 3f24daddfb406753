"""Modules of one layer of a network: built elastic, set to a size, extracted plain.

The containers are the same in a supernet and in an extracted net; only the units in them differ.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

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


class Bottleneck(nn.Module):
    """The bottleneck of ResNet50D: three convolutions, a shortcut, and an activation on the sum.

    Args:
        units: ``conv1``, ``conv2``, ``conv3``, and ``downsample`` where the shapes differ.
        act: The activation.
    """

    def __init__(self, units: Mapping[str, nn.Module], act: nn.Module):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = units["conv1"], units["conv2"], units["conv3"]
        self.downsample = units.get("downsample", nn.Identity())
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block to ``x``, of shape ``(n, channels, height, width)``."""
        y: Tensor = self.act(self.conv3(self.conv2(self.conv1(x))) + self.downsample(x))
        return y


def join_units(layer: Layer, units: Mapping[str, nn.Module], dropout: float) -> nn.Module:
    """Assemble the units of a layer; ``dropout`` applies to the classifier."""
    match layer.kind:
        case "mbconv":
            branch = OrderedDict((n.removeprefix("conv."), unit) for n, unit in units.items())
            return Residual(nn.Sequential(branch), layer.shortcut)
        case "bottleneck":
            return Bottleneck(units, activation(layer.act))
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


def build(layer: Layer, *, kernels: Iterable[int], bn_eps: float, dropout: float) -> nn.Module:
    """Build the elastic module whose largest choice is this layer."""
    units = {name: build_unit(unit, kernels, bn_eps) for name, unit in units_of(layer).items()}
    return join_units(layer, units, dropout)


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

"""One elastic block in the parts that a calibration needs."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.space import (
    Family,
    Layer,
    SearchSpace,
    Subnet,
    genotype_of,
    slot_layers,
    slots,
    subnet_of,
)
from optuna_ofa.supernet import Supernet, projection_name, slot_modules
from optuna_ofa.training import projection_of

# pixels of a map that enter the sums; neighbours are alike
MAX_PIXELS = 28**2


class ElasticBlock(NamedTuple):
    """The block of one slot.

    Args:
        module: Its module in the supernet.
        layer: Its largest choice.
        choices: A subnet for each pair of kernel size and middle channels that the block can
            have, in which all else is the largest.
    """

    module: nn.Module
    layer: Layer
    choices: dict[tuple[int, int], Subnet]

    @property
    def full(self) -> Subnet:
        """The largest subnet."""
        return self.choices[self.largest]

    @property
    def has_order(self) -> bool:
        """Whether its middle channels may be put into another order."""
        return self.layer.expands or self.layer.kind != "mbconv"

    @property
    def group(self) -> int:
        """Features of the projection for each middle channel."""
        return int(self.projection.get_parameter("conv.weight")[0, 0].numel())

    @property
    def projection(self) -> nn.Module:
        """The last convolution with its normalisation."""
        return projection_of(self.module, self.layer)

    @property
    def largest(self) -> tuple[int, int]:
        """Kernel size and middle channels of the largest choice."""
        return self.layer.kernel, self.layer.mid_channels

    def before_depthwise(self, x: Tensor) -> Tensor:
        """Return the input of the depthwise convolution, padded if a module does that."""
        *units, depthwise, _ = self.module.get_submodule("conv").children()
        for unit in units:
            x = unit(x)
        first = next(depthwise.children())
        return x if isinstance(first, nn.Conv2d) else first(x)

    def middle(self, x: Tensor) -> Tensor:
        """Return the input of the projection."""
        if self.layer.kind == "mbconv":
            for unit in list(self.module.get_submodule("conv").children())[:-1]:
                x = unit(x)
            return x
        names = ("conv1", "conv2") if self.layer.kind == "bottleneck" else ("conv1",)
        for name in names:
            x = self.module.get_submodule(name)(x)
        return x

    def shortcut(self, x: Tensor) -> Tensor | float:
        """Return what is added to the projection's output."""
        if self.layer.kind == "mbconv":
            return x if self.layer.shortcut else 0.0
        carried: Tensor = self.module.get_submodule("downsample")(x)
        return carried

    def branch(self, x: Tensor) -> Tensor:
        """Return the output of the normalised projection."""
        branch: Tensor = self.projection(self.middle(x))
        return branch

    def joined(self, branch: Tensor, x: Tensor) -> Tensor:
        """Return the output of the block, of its branch and its input."""
        total = branch + self.shortcut(x)
        if self.layer.kind == "mbconv":
            return total
        activated: Tensor = self.module.get_submodule("act")(total)
        return activated

    def features(self, middle: Tensor) -> Tensor:
        """Return what the projection multiplies, ``(samples, channels * kernel ** 2)``."""
        kernel = self.projection.get_parameter("conv.weight").shape[-1]
        return samples(middle if kernel == 1 else F.unfold(middle, kernel, padding=kernel // 2))

    def of_channels(self, order: Tensor) -> Tensor:
        """Return the features of channels."""
        return (order[:, None] * self.group + torch.arange(self.group)).flatten()

    def sliced(self, channels: int) -> Tensor:
        """Return the first channels of the largest projection after normalisation."""
        weight = self.projection.get_parameter("conv.weight")[:, :channels]
        return weight.flatten(1).double().T * self.scale()

    def set_projection(self, choice: tuple[int, int], weights: Tensor) -> None:
        """Set the own projection of a choice to weights after normalisation, as of `sliced`."""
        own = self.projection.get_parameter(f"conv.{projection_name(*choice)}")
        own.copy_((weights / self.scale()).T.reshape(own.shape))

    def scale(self) -> Tensor:
        """Return by how much normalisation multiplies the projection, ``(channels,)``."""
        norm = self.projection.get_submodule("bn")
        assert isinstance(norm, nn.BatchNorm2d)
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        # where nothing passes, any scale will do
        return torch.where(scale.abs() < 1e-6, 1.0, scale).double()


def elastic_blocks(supernet: Supernet) -> dict[int, ElasticBlock]:
    """Return the blocks with several choices by their slots."""
    family = supernet.family
    largest = SearchSpace(family).largest()
    layers, blocks = slot_layers(largest), {}
    for slot, (module, place) in enumerate(zip(slot_modules(supernet), slots(family), strict=True)):
        choices = dict(_choices(family, slot, place.columns))
        layer = layers[slot]
        if layer is not None and len(choices) > 1:
            blocks[slot] = ElasticBlock(module, layer, choices)
    return blocks


def _choices(
    family: Family, slot: int, columns: Iterable[int]
) -> Iterator[tuple[tuple[int, int], Subnet]]:
    """Yield kernel and middle channels of each choice of a slot's kernel and expand ratio."""
    own = [j for j in columns if family.genes[j].kind in ("kernel", "expand")]
    row = list(genotype_of(SearchSpace(family).largest()))
    for values in itertools.product(*(family.genes[j].choices for j in own)):
        for column, value in zip(own, values, strict=True):
            row[column] = value
        subnet = subnet_of(family, row)
        layer = slot_layers(subnet)[slot]
        if own and layer is not None:
            yield (layer.kernel, layer.mid_channels), subnet


def samples(maps: Tensor) -> Tensor:
    """Return the pixels of maps as rows; of large ones evenly spread ones."""
    pixels = maps.flatten(2)
    step = -(-pixels.shape[2] // MAX_PIXELS)
    if step > 1:
        pixels = pixels[:, :, :: step | 1]  # odd, so that columns of the map take turns
    return pixels.transpose(1, 2).flatten(0, 1)

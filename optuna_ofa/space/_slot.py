"""One position of a supernet, and what the slots of all kinds of blocks need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from optuna_ofa.space._family import Family
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._parts import make_divisible


def strided(size: int, stride: int) -> int:
    """Return the output size of a convolution with padding ``kernel // 2``."""
    return int((size - 1) / stride + 1)


@dataclass(frozen=True)
class Slot:
    """A position in a supernet and the few genes that determine its layer.

    Costs that are sums over layers (MACs, parameters, a latency table) need only the distinct
    layers of each slot, a few thousand for 10^19 subnets.

    Args:
        columns: Columns of the genotype that the layer depends on.
        build: Takes the integers of these columns and returns the layer, None if absent.
    """

    columns: tuple[int, ...]
    build: Callable[..., Layer | None]


def mid_channels(family: Family, block: tuple[int, int], base: int, ratio: float) -> int:
    """Return the middle channels of a block.

    Args:
        family: The family.
        block: Stage and position of the block.
        base: The channels that ``ratio`` refers to where the stage has no `Stage.mid_channels`.
        ratio: The expand ratio, or the share.
    """
    stage, position = block
    given = family.stages[stage].mid_channels
    if not given:
        return make_divisible(round(base * ratio), family.divisor)
    largest = given[position]
    return min(largest, make_divisible(largest * ratio, family.divisor)) if ratio < 1 else largest


def sizes_of(family: Family, resolution: int) -> list[int]:
    """Return the sizes at the input of each stage, and after the last one."""
    size = strided(resolution, family.stem.stride)
    if family.block != "mbconv" and family.stem.pool:
        size = strided(size, 2)
    sizes = [size]
    for stage in family.stages:
        sizes.append(strided(sizes[-1], stage.stride))
    return sizes

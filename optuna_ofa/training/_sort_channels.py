"""Sorting channels by importance, so that each block keeps its most important ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import pairwise

import torch
from torch import Tensor, nn

from optuna_ofa.costs import se_channels
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Layer, SearchSpace, slot_layers
from optuna_ofa.supernet import Supernet, slot_modules
from optuna_ofa.training._reorder import permute, permute_unit, projection_of, reorder_middle


def sort_channels(supernet: Supernet, *, standing: Iterable[float] = ()) -> None:
    """Reorder the middle channels of every elastic block by decreasing importance, in place.

    The importance of a channel is the L1 norm of the weights that read it. Squeezed channels of
    squeeze-and-excitation are sorted too, as the ``ofa`` package does
    (``re_organize_middle_weights``). The output of the largest subnet is unchanged up to rounding;
    smaller subnets now have the most important channels. Optimisers and averages that refer to the
    weights must be reset.

    Args:
        supernet: The supernet.
        standing: Expand ratios that subnets already use. The channels of each of them stay
            together and are sorted among themselves.

    Raises:
        InvalidArgumentError: If a ratio is not one of the family's, or the supernet has its own
            projections for each width, which depend on the order.
    """
    if supernet.own_projections:
        raise InvalidArgumentError(
            "`supernet` must share its projections between widths, because those of their own fit "
            "the present order of channels, but got one with `own_projections=True`."
        )
    sort_shared(supernet, standing=standing)


@torch.no_grad()
def sort_shared(supernet: Supernet, *, standing: Iterable[float] = ()) -> None:
    """Do what `sort_channels` does; projections of single widths have to be fitted again."""
    space = SearchSpace(supernet.family)
    ratios = sorted(standing)
    if not set(ratios) <= set(supernet.family.expands):
        raise InvalidArgumentError(
            f"`standing` must be among {supernet.family.expands}, but got {ratios}."
        )
    largest = slot_layers(space.largest())
    columns = [slot_layers(space.subnet(expand=ratio)) for ratio in ratios]
    for i, (module, layer) in enumerate(zip(slot_modules(supernet), largest, strict=True)):
        # a block without expansion has no middle channels of its own
        if (
            layer is not None
            and layer.kind in _SORTERS
            and (layer.expands or layer.kind != "mbconv")
        ):
            widths = {other.mid_channels for column in columns if (other := column[i])}
            _SORTERS[layer.kind](module, layer, widths)


def _sort_mbconv(block: nn.Module, layer: Layer, widths: Collection[int]) -> None:
    weight = projection_of(block, layer).get_parameter("conv.weight")
    reorder_middle(block, layer, _order(weight, widths))
    if not layer.use_se or layer.squeeze == "input":  # all subnets have all squeezed channels
        return
    gate = block.get_submodule("conv.depth_conv.se.fc")
    squeeze, excite = gate.get_submodule("reduce"), gate.get_submodule("expand")
    inner = _order(excite.get_parameter("weight"), {se_channels(width) for width in widths})
    permute(excite.get_parameter("weight"), 1, inner)
    for parameter in squeeze.parameters():
        permute(parameter, 0, inner)


def _sort_bottleneck(block: nn.Module, layer: Layer, widths: Collection[int]) -> None:
    _sort_basic(block, layer, widths)
    weight = block.get_parameter("conv2.conv.weight")
    order = _order(weight, widths)
    permute(weight, 1, order)
    permute_unit(block.get_submodule("conv1"), order)


def _sort_basic(block: nn.Module, layer: Layer, widths: Collection[int]) -> None:
    weight = projection_of(block, layer).get_parameter("conv.weight")
    reorder_middle(block, layer, _order(weight, widths))


_SORTERS: dict[str, Callable[[nn.Module, Layer, Collection[int]], None]] = {
    "mbconv": _sort_mbconv,
    "bottleneck": _sort_bottleneck,
    "basic": _sort_basic,
}


def _order(reader: Tensor, widths: Collection[int]) -> Tensor:
    """Return input channels by decreasing L1 norm, within the groups delimited by ``widths``."""
    importance = reader.abs().sum((0, 2, 3))
    bounds = sorted({0, len(importance), *widths})
    groups = [
        start + importance[start:end].argsort(descending=True, stable=True)
        for start, end in pairwise(bounds)
    ]
    return torch.cat(groups)

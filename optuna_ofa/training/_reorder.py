"""New orders of the middle channels of blocks, which leave the largest subnet as it is."""

from __future__ import annotations

from itertools import chain

from torch import Tensor, nn

from optuna_ofa.space import Layer

# the convolution that reads the middle channels, and those that write them
_READERS = {"mbconv": "conv.point_linear", "bottleneck": "conv3", "basic": "conv2"}
_WRITERS = {
    "mbconv": ("conv.inverted_bottleneck", "conv.depth_conv"),
    "bottleneck": ("conv2",),
    "basic": ("conv1",),
}


def projection_of(block: nn.Module, layer: Layer) -> nn.Module:
    """Return the last unit of a block, which reads its middle channels."""
    return block.get_submodule(_READERS[layer.kind])


def reorder_middle(block: nn.Module, layer: Layer, order: Tensor) -> None:
    """Reorder the channels that the last convolution of an elastic block reads, in place.

    Projections of single widths are not reordered: they have to be fitted again.

    Args:
        block: The block.
        layer: Its largest choice.
        order: The present indices of the channels in their new order, ``(mid_channels,)``.
    """
    permute(projection_of(block, layer).get_parameter("conv.weight"), 1, order)
    for name in _WRITERS[layer.kind]:
        permute_unit(block.get_submodule(name), order)
    if layer.use_se:
        gate = block.get_submodule(f"{_WRITERS[layer.kind][-1]}.se.fc")
        for parameter in gate.get_submodule("expand").parameters():
            permute(parameter, 0, order)
        permute(gate.get_parameter("reduce.weight"), 1, order)


def permute_unit(unit: nn.Module, order: Tensor) -> None:
    """Reorder the output channels of a convolution and its batch normalisation."""
    conv, norm = unit.get_submodule("conv"), unit.get_submodule("bn")
    for name, tensor in chain(conv.named_parameters(), norm.named_parameters()):
        if not name.endswith("_matrix"):  # which all channels share
            permute(tensor, 0, order)
    for buffer in norm.buffers():
        if buffer.ndim:  # skips the count of batches
            permute(buffer, 0, order)


def permute(tensor: Tensor, dim: int, order: Tensor) -> None:
    """Reorder a tensor along a dimension, in place."""
    tensor.copy_(tensor.index_select(dim, order))

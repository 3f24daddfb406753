"""The data of a drawing of networks: one box a layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Layer, Subnet, subnet_layers

NetworkLayers = Subnet | Sequence[Layer]
_OTHER_WIDTH = 4.0  # of layers that are no blocks; a block with 100 channels has 10
_OTHER_HEIGHT = 0.35
_GAP, _BORDER = 0.8, 3.5  # between layers, and between stages


class LayerBox(NamedTuple):
    """One layer of a drawing.

    Args:
        layer: The layer.
        stage: 0 up to the first block, then counted from 1; the head is one more than the last.
        left: Where the box begins.
        width: Its width: the square root of a block's output channels.
        height: Its height: a block's expand ratio over the largest one that is drawn.
    """

    layer: Layer
    stage: int
    left: float
    width: float
    height: float


class ArchitectureRow(NamedTuple):
    """One network of a drawing.

    Args:
        name: Its name.
        resolution: Input size in pixels.
        boxes: Its layers from the input to the output; pooling has no box.
        words: The subnet in words; empty for a network that is given by its layers.
    """

    name: str
    resolution: int
    boxes: tuple[LayerBox, ...]
    words: str

    @property
    def n_blocks(self) -> int:
        """The number of boxes that are blocks."""
        return sum(box.layer.role == "block" for box in self.boxes)

    @property
    def borders(self) -> tuple[float, ...]:
        """The places where stages meet."""
        pairs = zip(self.boxes, self.boxes[1:], strict=False)
        return tuple(b.left - _BORDER / 2 for a, b in pairs if a.stage != b.stage)


def architecture_info(networks: Mapping[str, NetworkLayers]) -> tuple[ArchitectureRow, ...]:
    """Collect the data of `plot_architecture`."""
    if not networks:
        raise InvalidArgumentError("`networks` must have at least one network, but got none.")
    layers = {
        name: subnet_layers(network) if isinstance(network, Subnet) else tuple(network)
        for name, network in networks.items()
    }
    empty = [name for name, of in layers.items() if all(x.role != "block" for x in of)]
    if empty:
        raise InvalidArgumentError(f"`networks` must have blocks, but {empty[0]!r} has none.")
    largest = max(layer.expand for of in layers.values() for layer in of)
    return tuple(
        ArchitectureRow(
            name,
            of[0].in_size,
            tuple(_boxes(of, largest)),
            str(networks[name]) if isinstance(networks[name], Subnet) else "",
        )
        for name, of in layers.items()
    )


def _boxes(layers: Sequence[Layer], largest_expand: float) -> Iterator[LayerBox]:
    stage, left, before = 0, 0.0, None
    for layer in layers:
        if layer.kind in ("max_pool", "avg_pool"):
            continue
        if before is not None:
            is_border = _starts_stage(layer, before)
            stage, left = stage + is_border, left + (_BORDER if is_border else _GAP)
        is_block = layer.role == "block"
        width = math.sqrt(layer.out_channels) if is_block else _OTHER_WIDTH
        height = layer.expand / largest_expand if is_block else _OTHER_HEIGHT
        yield LayerBox(layer, stage, left, width, height)
        left, before = left + width, layer


def _starts_stage(layer: Layer, before: Layer) -> bool:
    """Return whether a layer is the first of a stage, or of the head after the last one.

    A stage begins with a block that changes the channels or the size.
    """
    if layer.role != "block" or before.role != "block":
        return layer.role == "block" or before.role == "block"
    return layer.in_channels != layer.out_channels or layer.in_size != layer.out_size


def layer_words(layer: Layer) -> str:
    """Return a layer in three lines: what it is, its channels and sizes, and what belongs to it."""
    kind = layer.role.replace("_", " ")
    if layer.role == "block":
        kind = f"{layer.kernel}x{layer.kernel} block, expand ratio {layer.expand:g}"
    elif layer.kind == "conv":
        kind += f": {layer.kernel}x{layer.kernel} convolution"
    mid = f" → {layer.mid_channels:,}" if layer.mid_channels else ""
    channels = f"{layer.in_channels:,}{mid} → {layer.out_channels:,} channels"
    extras = [f"stride {layer.stride}"] if layer.stride > 1 else []
    extras += [layer.act] if layer.act else []
    extras += ["squeeze-and-excitation"] if layer.use_se else []
    extras += ["shortcut"] if layer.shortcut else []
    lines = [kind, f"{channels}, {layer.in_size} → {layer.out_size} px", ", ".join(extras)]
    return "<br>".join(line for line in lines if line)

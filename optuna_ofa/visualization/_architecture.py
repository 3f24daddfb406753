"""Networks as rows of boxes, one box per layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.space import Configuration, Layer, Subnet, no_architecture, subnet_layers
from optuna_ofa.visualization._origin import devices_of, origin_words
from optuna_ofa.visualization._style import BELOW, GREY, finish, hovering, kernel_colour

NetworkLayers = Subnet | FrontPoint | Sequence[Layer]
_OTHER_WIDTH = 4.0  # of layers that are not blocks; a block with 100 channels has 10
_OTHER_HEIGHT = 0.35
_GAP, _BORDER = 0.8, 3.5  # between layers, and between stages


class LayerBox(NamedTuple):
    """One layer of a figure.

    Args:
        layer: The layer.
        stage: 0 up to the first block, then counted from 1; the head is one more than the last.
        left: The left edge of the box.
        width: Its width: the square root of a block's output channels.
        height: Its height: a block's expand ratio divided by the largest in the figure.
    """

    layer: Layer
    stage: int
    left: float
    width: float
    height: float


class ArchitectureRow(NamedTuple):
    """One network of a figure.

    Args:
        name: Its name.
        resolution: Input size in pixels.
        boxes: Its layers from input to output; pooling has no box.
        words: The subnet as text; empty for a network given by its layers.
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
    networks = _without_values(networks)
    for network in networks.values():
        if isinstance(network, Configuration):
            raise InvalidArgumentError(no_architecture("networks", network.table.name))
    layers = {
        name: subnet_layers(network) if isinstance(network, Subnet) else tuple(network)
        for name, network in networks.items()
    }
    empty = [name for name, of in layers.items() if all(x.role != "block" for x in of)]
    if empty:
        raise InvalidArgumentError(f"`networks` must have blocks, but {empty[0]!r} has none.")
    largest = max(layer.ratio for of in layers.values() for layer in of)
    return tuple(
        ArchitectureRow(
            name,
            of[0].in_size,
            tuple(_boxes(of, largest)),
            str(networks[name]) if isinstance(networks[name], Subnet) else "",
        )
        for name, of in layers.items()
    )


def _without_values(networks: Mapping[str, NetworkLayers]) -> dict[str, Subnet | Sequence[Layer]]:
    return {n: of.subnet if isinstance(of, FrontPoint) else of for n, of in networks.items()}


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
        height = layer.ratio / largest_expand if is_block else _OTHER_HEIGHT
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
    """Return three lines about a layer: its kind, its channels and sizes, and its extras."""
    kind = layer.role.replace("_", " ")
    if layer.role == "block":
        kind = f"{layer.kernel}x{layer.kernel} block, expand ratio {layer.ratio:.3g}"
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


_ROW_HEIGHT = 0.6  # of the tallest box; rows are 1 apart


@checked
def plot_architecture(networks: Mapping[str, NetworkLayers]) -> go.Figure:
    """Plot networks one below another, one box per layer from input to output.

    The colour of a block is its kernel size (also written on it), its height the expand ratio, and
    its width grows with its output channels, as in figure 4 of the ProxylessNAS paper
    (arXiv:1812.00332). Stages are set apart, with output size and channels below each.

    Args:
        networks: Subnets, points of fronts, which say the device, or the layers of any network
            as `layers_from_net_config` reads them, by name.

    Raises:
        InvalidArgumentError: If there is no network, or one has no blocks.
    """
    rows = architecture_info(networks)
    placed = [(len(rows) - 1 - i, row, box) for i, row in enumerate(rows) for box in row.boxes]
    blocks = [p for p in placed if p[2].layer.role == "block"]
    kernels = sorted({box.layer.kernel for *_, box in blocks})
    traces = [
        _bars([p for p in blocks if p[2].layer.kernel == k], f"{k}x{k}", kernel_colour(k))
        for k in kernels
    ]
    others = [p for p in placed if p[2].layer.role != "block"]
    figure = go.Figure([*traces, _bars(others, "stem and head", GREY), _borders(rows)])
    figure.add_trace(_stage_labels(rows))
    figure.update_xaxes(visible=False)
    n = len(rows)
    figure.update_yaxes(
        tickvals=[n - 1 - i + _ROW_HEIGHT / 2 for i in range(n)],
        showgrid=False,
        zeroline=False,
        ticktext=[f"<b>{r.name}</b><br>{r.resolution} px, {r.n_blocks} blocks" for r in rows],
        range=[-0.36, n - 0.3],
    )
    return finish(
        figure,
        _title(networks),
        "height: expand ratio; width: square root of channels; below: output size in px, channels",
        origin_words(devices_of(of for of in networks.values() if isinstance(of, FrontPoint))),
        barmode="overlay",
        height=150 + 130 * n,
        margin={"b": 36},
        legend=BELOW,
    )


def _title(networks: Mapping[str, NetworkLayers]) -> str:
    subnets = [of for of in _without_values(networks).values() if isinstance(of, Subnet)]
    families = dict.fromkeys(subnet.family.name for subnet in subnets)
    if len(subnets) < len(networks):
        return "Layers from input to output"
    return f"{', '.join(families)}: layers from input to output"


_Placed = tuple[int, ArchitectureRow, LayerBox]


def _bars(placed: Sequence[_Placed], name: str, colour: str) -> go.Bar:
    return go.Bar(
        x=[box.left + box.width / 2 for *_, box in placed],
        y=[box.height * _ROW_HEIGHT for *_, box in placed],
        base=[base for base, *_ in placed],
        width=[box.width for *_, box in placed],
        name=name,
        marker={"color": colour, "line": {"width": 0}},
        text=[str(box.layer.kernel) if box.layer.role == "block" else "" for *_, box in placed],
        textposition="inside",
        insidetextanchor="middle",
        textangle=0,
        constraintext="none",
        textfont={"color": "black" if colour in (kernel_colour(5), GREY) else "white", "size": 11},
        **hovering([f"{row.name}<br>{layer_words(box.layer)}" for _, row, box in placed]),
    )


def _borders(rows: Sequence[ArchitectureRow]) -> go.Scatter:
    x: list[float | None] = []
    y: list[float | None] = []
    for i, row in enumerate(rows):
        base = len(rows) - 1 - i
        for border in row.borders:
            x += [border, border, None]
            y += [base - 0.3, base + _ROW_HEIGHT, None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name="stage boundary",
        line={"color": "#666666", "width": 1, "dash": "dot"},
        **hovering(None),
    )


def _stage_labels(rows: Sequence[ArchitectureRow]) -> go.Scatter:
    x, y, text, hover = [], [], [], []
    for i, row in enumerate(rows):
        for stage in range(1, row.boxes[-1].stage + 1):
            boxes = [b for b in row.boxes if b.stage == stage and b.layer.role == "block"]
            if boxes:
                x.append((boxes[0].left + boxes[-1].left + boxes[-1].width) / 2)
                y.append(len(rows) - 1 - i - 0.18)
                last = boxes[-1].layer
                text.append(f"{last.out_size}<br>{last.out_channels}")
                hover.append(row.words or row.name)
    return go.Scatter(
        x=x,
        y=y,
        text=text,
        mode="text",
        showlegend=False,
        textfont={"size": 10, "color": "#444444"},
        **hovering(hover),
    )

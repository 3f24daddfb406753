"""Networks as rows of boxes, one box a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from optuna_ofa.visualization._architecture_info import (
    ArchitectureRow,
    LayerBox,
    NetworkLayers,
    architecture_info,
    layer_words,
)
from optuna_ofa.visualization._style import GREY, finish, hovering, kernel_colour

_ROW_HEIGHT = 0.68  # of the highest box, where rows are 1 apart


def plot_architecture(networks: Mapping[str, NetworkLayers]) -> go.Figure:
    """Draw networks one under another, one box a layer from input to output.

    A block's colour is its kernel (which is also written on it), its height its expand ratio, and
    its width grows with its output channels, after figure 4 of the ProxylessNAS paper
    (arXiv:1812.00332). Stages are apart, and under each are its output size and channels.

    Args:
        networks: Subnets, or the layers of any network as `layers_from_net_config` reads them,
            by name.

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
        range=[-0.32, n - 0.2],
    )
    return finish(
        figure,
        "Layers from input to output",
        "height: expand ratio; width: square root of channels;<br>under each stage: its output "
        "size in pixels and its channels",
        barmode="overlay",
        height=190 + 150 * n,
        margin={"t": 100, "b": 60},
        legend={"orientation": "h", "yref": "container", "y": 0.02},
    )


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
            y += [base - 0.22, base + _ROW_HEIGHT, None]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines",
        name="border of a stage",
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
                y.append(len(rows) - 1 - i - 0.12)
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

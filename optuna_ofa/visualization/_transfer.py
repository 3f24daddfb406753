"""What subnets of one device lose on another, as a heat map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.fronts import TransferMatrix

# of equal steps in lightness, and so for colour-blind readers too
_SCALE = "Cividis_r"


class TransferInfo(NamedTuple):
    """What a drawing of a transfer matrix shows.

    Args:
        rows: Names of the devices that subnets were found for, with limits, the first on top.
        columns: Names of the devices that they run on.
        loss: ``(n, n)`` points of top-1.
        texts: ``(n, n)`` what is written in the cells.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    loss: NDArray[np.float64]
    texts: tuple[tuple[str, ...], ...]


def transfer_info(matrix: TransferMatrix) -> TransferInfo:
    """Collect what `plot_transfer` draws."""
    numbers = zip(matrix.devices, matrix.limits_ms, matrix.top1, strict=True)
    rows = tuple(
        f"<b>{name}</b><br>{ms:g} ms, {top1:.2f} %"
        for name, ms, top1 in (
            (name, round(float(ms), 2), float(top1)) for name, ms, top1 in numbers
        )
    )
    texts = tuple(
        tuple(_cell(ms, loss) for ms, loss in zip(of_ms, of_loss, strict=True))
        for of_ms, of_loss in zip(matrix.latency_ms, matrix.loss, strict=True)
    )
    return TransferInfo(rows, matrix.devices, matrix.loss, texts)


def _cell(latency_ms: float, loss: float) -> str:
    return f"<b>{0.0 - loss:+.2f} points</b><br>{latency_ms:.2f} ms"


def plot_transfer(matrix: TransferMatrix) -> go.Figure:
    """Draw what the best subnet of each device loses on every other one.

    A row is the best subnet of one device, a column where it runs; in the cells are the points of
    top-1 against that device's own best at this latency, and the latency.

    Args:
        matrix: What `Fleet.transfer_matrix` returned.
    """
    info = transfer_info(matrix)
    n = len(info.rows)
    top = max(float(info.loss.max()), 0.01)
    figure = go.Figure(
        go.Heatmap(
            z=info.loss,
            x=info.columns,
            y=list(range(n)),
            zmin=0,
            zmax=top,
            colorscale=_SCALE,
            xgap=3,
            ygap=3,
            hoverinfo="skip",
            colorbar={"title": {"text": "points<br>of top-1<br>lost"}},
        )
    )
    for i in range(n):
        for j, name in enumerate(info.columns):
            dark = info.loss[i, j] > 0.55 * top
            figure.add_annotation(
                x=name,
                y=i,
                text=info.texts[i][j],
                showarrow=False,
                font={"color": "white" if dark else "black"},
            )
    figure.update_xaxes(title="Runs on", side="top", type="category", showgrid=False)
    figure.update_yaxes(
        title="Best subnet of",
        tickvals=list(range(n)),
        ticktext=info.rows,
        autorange="reversed",
        showgrid=False,
    )
    return figure.update_layout(
        title="What the best subnet of one device loses on another, predicted",
        template="plotly_white",
        height=220 + 90 * n,
        margin={"t": 130, "l": 150},
    )

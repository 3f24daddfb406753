"""The loss of the best subnets of one device on another, as a heat map."""

from __future__ import annotations

import plotly.graph_objects as go

from optuna_ofa._arguments import checked
from optuna_ofa.fronts import TransferMatrix
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import METRICS
from optuna_ofa.visualization._origin import last_date
from optuna_ofa.visualization._style import finish

# perceptually uniform in lightness, so that colour-blind readers can read it too
_SCALE = "Cividis_r"


@checked
def plot_transfer(matrix: TransferMatrix) -> go.Figure:
    """Plot the loss in accuracy of each device's best subnet on every other device.

    A row is the best subnet of one device, a column the device that runs it. A cell shows by how
    many points of top-1 the column's own best subnet at this latency is better, and the latency.

    Args:
        matrix: The result of `Fleet.transfer_matrix`.
    """
    n = len(matrix.devices)
    top = max(float(matrix.loss.max()), 0.01)
    heat_map = go.Heatmap(
        z=matrix.loss,
        x=matrix.devices,
        y=list(range(n)),
        zmin=0,
        zmax=top,
        colorscale=_SCALE,
        xgap=3,
        ygap=3,
        hoverinfo="skip",
        colorbar={"title": {"text": "points<br>of top-1<br>lost"}},
    )
    figure = go.Figure(heat_map)
    for i, row in enumerate(matrix.cells()):
        for j, (ms, points) in enumerate(row):
            loss = float(matrix.loss[i, j])
            figure.add_annotation(
                x=matrix.devices[j],
                y=i,
                text=f"<b>{points} points</b><br>{ms}",
                showarrow=False,
                font={"color": "white" if loss > 0.55 * top else "black"},
            )
    rows = [
        f"<b>{name}</b><br>{METRICS['latency_ms'].text(ms)}, {METRICS['top1'].text(top1)}"
        + "<br>(extrapolated)" * (name in matrix.extrapolated)
        for name, ms, top1 in zip(matrix.devices, matrix.limits_ms, matrix.top1, strict=True)
    ]
    figure.update_xaxes(title="Runs on", side="top", type="category", showgrid=False)
    figure.update_yaxes(
        title="Best subnet of",
        tickvals=list(range(n)),
        ticktext=rows,
        autorange="reversed",
        showgrid=False,
    )
    family = matrix.subnets[0].family.name
    title = f"{family}: loss of top-1 on other devices, predicted"
    finish(figure, title, *_devices(matrix), last_date([matrix.finished]))
    top_margin = figure.layout.margin.t + 50  # for the names of the columns
    return figure.update_layout(
        height=top_margin + 90 * n + 20, margin={"t": top_margin, "b": 20, "l": 150}
    )


def _devices(matrix: TransferMatrix) -> list[str]:
    """Return a line for each device that is known by more than its name."""
    known = zip(matrix.devices, map(Conditions.of, matrix.facts), strict=False)
    return [f"{name}: {of}" for name, of in known if of.processor or of.runtime]

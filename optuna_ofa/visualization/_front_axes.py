"""The axes of a plot of a front, and the points on them."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import FrontPoint, cost_metric
from optuna_ofa.problem import Metric, preferred
from optuna_ofa.space import Configuration
from optuna_ofa.visualization._style import error_bars

_HOVER_WIDTH = 80  # characters
_MAX_BARS = 40  # more of them hide the points


def across_and_up(metrics: Mapping[str, Metric]) -> tuple[str, str]:
    """Return the metrics of the horizontal axis, the first cost, and of the vertical axis."""
    names = preferred(metrics)
    across = cost_metric(metrics) or names[0]
    return across, next(name for name in names if name != across)


def third_of(metrics: Mapping[str, Metric]) -> str | None:
    """Return the metric shown by colour, of three metrics; None if there are two."""
    return next((name for name in metrics if name not in across_and_up(metrics)), None)


def steps_of(across: Metric) -> str:
    """Return plotly's shape for the line of a front: the best value within each limit."""
    return "vh" if across.maximize else "hv"


def colour_axis(title: str) -> dict[str, object]:
    """Return the layout of a colour scale with its title beside it."""
    bar = {"title": {"text": title, "side": "right"}, "thickness": 14, "nticks": 6}
    return {"colorscale": "Viridis", "colorbar": bar}


def coloured(points: Sequence[FrontPoint], third: str, symbol: str) -> dict[str, object]:
    """Return markers whose colour is a third metric."""
    return {
        "color": [p.values[third] for p in points],
        "coloraxis": "coloraxis",
        "size": 7 if len(points) <= 300 else 5,
        "symbol": symbol,
        "line": {"width": 0.5, "color": "#444444"},
    }


def along_line(
    points: Sequence[FrontPoint], x: str, y: str, third: str | None = None
) -> NDArray[np.intp]:
    """Return at most 40 points at similar distances along the line, including its ends.

    With three objectives there is no line, and bars of more points would hide their colours: no
    points are returned then.
    """
    if len(points) <= _MAX_BARS:
        return np.arange(len(points))
    if third is not None:
        return np.arange(0)
    values = np.array([[p.values[x], p.values[y]] for p in points])
    steps = np.abs(np.diff(values, axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-12)
    along = np.concatenate([[0.0], np.cumsum(steps.sum(axis=1))])
    wanted = np.linspace(0, along[-1], _MAX_BARS)
    return np.unique(np.searchsorted(along, wanted).clip(max=len(points) - 1))


def bars(
    points: Sequence[FrontPoint], metric: str, barred: NDArray[np.intp]
) -> dict[str, object] | None:
    """Return the error bars of a metric at some of the points."""
    std = np.full(len(points), np.nan)  # no bar
    std[barred] = [points[i].std.get(metric, np.nan) for i in barred]
    return error_bars(std)


def hover_words(point: FrontPoint) -> str:
    """Return a point as lines of text, with its subnet."""
    values, _, subnet = html.escape(str(point), quote=False).partition(": ")
    if isinstance(point.subnet, Configuration):
        lines = textwrap.wrap(subnet, _HOVER_WIDTH, break_long_words=False)
    else:
        lines = subnet.split(" | ")
    return "<br>".join([values, *lines])

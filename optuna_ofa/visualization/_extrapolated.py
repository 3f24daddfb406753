"""Marks around extrapolated points, in every figure that has points of fronts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go

from optuna_ofa.fronts import FrontPoint
from optuna_ofa.visualization._style import PALETTE, hovering

_UNKNOWN = "extrapolated points are not marked: the study was opened without its predictors"


def extrapolated_marks(x: Sequence[float], y: Sequence[float]) -> list[go.Scatter]:
    """Return a trace with a square around each extrapolated point; empty if there is none.

    It belongs below the points, and is the last in the legend.

    Args:
        x: ``(n,)`` horizontal coordinates of the extrapolated points.
        y: ``(n,)`` vertical coordinates.
    """
    if not len(x):
        return []
    few = len(x) <= 100
    return [
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name=f"extrapolated: outside the fitted subnets ({len(x):,})",
            marker={
                "symbol": "square-open",
                "size": 11 if few else 9,
                "color": PALETTE[3],
                "line": {"width": 1.5 if few else 1},
            },
            legendrank=1001,
            **hovering(None),
        )
    ]


def marks_of(points: Iterable[FrontPoint], across: str, up: str) -> list[go.Scatter]:
    """Return the marks of points of fronts in a figure with these metrics on its axes."""
    far = [point for point in points if point.extrapolated]
    return extrapolated_marks([p.values[across] for p in far], [p.values[up] for p in far])


def unknown_words(points: Iterable[FrontPoint]) -> str:
    """Return a line that says that points are not marked; empty if it is known which to mark."""
    return _UNKNOWN if any(point.extrapolated is None for point in points) else ""

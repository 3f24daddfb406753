"""The marks in a plot of a front: its knee, and picked subnets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint, Limits, find_picks, require_reached
from optuna_ofa.visualization._front_axes import across_and_up, hover_words
from optuna_ofa.visualization._front_info import FrontInfo
from optuna_ofa.visualization._style import hovering, symbol

_KNEE = "knee"


def mark_traces(
    infos: Sequence[FrontInfo], limits: Limits | None, picks: Mapping[str, FrontPoint]
) -> list[go.Scatter]:
    """Return a trace for the knee and each pick, each with its symbol and its legend entry.

    Args:
        infos: The fronts; limits apply to the last one, and the knee is that of the last one with a
            knee.
        limits: As in `plot_front`.
        picks: As in `plot_front`.

    Raises:
        InvalidArgumentError: If no subnet is within a limit, or a pick has other objectives.
    """
    front = infos[-1].front
    for name, point in picks.items():
        missing = [m for m in front.objectives if m not in point.values]
        if missing:
            raise InvalidArgumentError(
                f"`picks` must have the objectives of the study, but {name!r} has no {missing[0]}."
            )
    require_reached(limits, [front])
    within = find_picks(front, limits=limits) if limits else {}
    knees = [(_KNEE, info.knee) for info in infos if info.knee is not None]
    named = {**dict(knees[-1:]), **within, **picks}
    axes = across_and_up(front.metrics)
    marked = [(name, point) for name, point in named.items() if point is not None]
    return [_mark(name, point, axes, i) for i, (name, point) in enumerate(marked)]


def _mark(name: str, point: FrontPoint, axes: tuple[str, str], i: int) -> go.Scatter:
    x, y = axes
    return go.Scatter(
        x=[point.values[x]],
        y=[point.values[y]],
        mode="markers",
        name=f"{name} ({point.kind})",
        marker={
            "symbol": "star" if name == _KNEE else f"{symbol(i)}-open",
            "size": 13,
            "color": "#000000",
            "line": {"width": 0 if name == _KNEE else 2},
        },
        **hovering([f"{name}<br>{hover_words(point)}"]),
    )

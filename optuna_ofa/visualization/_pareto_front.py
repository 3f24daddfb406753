"""The Pareto front over the other trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies import METRICS, Front, FrontPoint

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

# More points make a file of many megabytes, in which single ones cannot be told apart.
_MAX_OTHERS = 4000
# Okabe and Ito's palette, which colour-blind readers can tell apart
_COLOURS = {"predicted": "#0072B2", "evaluated": "#D55E00", "other": "#BBBBBB", "limit": "#000000"}
_SYMBOLS = {"predicted": "circle-open", "evaluated": "circle"}


class FrontInfo(NamedTuple):
    """What a drawing of a front shows.

    Args:
        front: The front.
        others: ``(n, n_objectives)`` values of the other feasible trials, at most 4,000 of them.
        n_others: How many there are in all.
        constraints: Bound of each constrained metric.
        kind: Whether the values are predicted or evaluated.
        title: Name of the study.
    """

    front: Front
    others: NDArray[np.float64]
    n_others: int
    constraints: dict[str, float]
    kind: str
    title: str


def front_info(
    study: SubnetStudy, *, kind: Literal["predicted", "evaluated"] | None = None
) -> FrontInfo:
    """Collect what `plot_front` draws.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
    """
    front = study.front(kind=kind)
    kind = front[0].kind  # type: ignore[assignment]  # the two words that a front has
    results = study.results(kind=kind)
    values = results.values[results.feasible]
    on_front = {tuple(p.values[m] for m in front.objectives) for p in front}
    others = values[[tuple(row) not in on_front for row in values.tolist()]]
    n_others = len(others)
    if n_others > _MAX_OTHERS:
        others = others[np.linspace(0, n_others - 1, _MAX_OTHERS).astype(int)]
    limits = dict(study.problem.constraints)
    return FrontInfo(front, others, n_others, limits, str(kind), study.study_name)


def plot_front(
    study: SubnetStudy, *, kind: Literal["predicted", "evaluated"] | None = None
) -> go.Figure:
    """Draw the Pareto front of a study with two or three objectives.

    With two, the cost is on the horizontal axis. Bars show the standard deviation where the
    predictors know it; hovering shows the subnet in words.

    Args:
        study: The study.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
        InvalidArgumentError: If the study has one objective or more than three.
    """
    n = len(study.problem.objectives)
    if n not in (2, 3):
        raise InvalidArgumentError(f"`study` must have 2 or 3 objectives to be drawn, but has {n}.")
    info = front_info(study, kind=kind)
    figure = _draw_2d(info) if n == 2 else _draw_3d(info)
    return figure.update_layout(
        title=_title(info),
        template="plotly_white",
        legend={"orientation": "h", "y": -0.18 if n == 2 else 0},
    )


def _title(info: FrontInfo) -> str:
    subnets = f"{len(info.front):,} {info.kind} subnet{'s' * (len(info.front) > 1)}"
    shown = f", {len(info.others):,} of them drawn" if len(info.others) < info.n_others else ""
    limits = [
        f"{m} {'≥' if METRICS[m].maximize else '≤'} {METRICS[m].amount(bound)}"
        for m, bound in info.constraints.items()
    ]
    within = f"; limits: {', '.join(limits)}" if limits else ""
    return (
        f"{info.title}: {subnets} on the Pareto front"
        f"<br><sup>over {info.n_others:,} others{shown}{within}</sup>"
    )


def _draw_2d(info: FrontInfo) -> go.Figure:
    # the cost across, what is gained upwards
    x, y = sorted(info.front.objectives, key=lambda m: METRICS[m].maximize)
    points = sorted(info.front, key=lambda p: p.values[x])  # the line goes from left to right
    column = {m: i for i, m in enumerate(info.front.objectives)}
    others = go.Scattergl(
        x=info.others[:, column[x]], y=info.others[:, column[y]], mode="markers",
        name="other subnets", hoverinfo="skip",
        marker={"color": _COLOURS["other"], "size": 4, "opacity": 0.5},
    )  # fmt: skip
    front = go.Scatter(
        x=[p.values[x] for p in points], y=[p.values[y] for p in points],
        mode="markers+lines", name=f"Pareto front ({info.kind})",
        line={"color": _COLOURS[info.kind], "width": 1, "shape": "hv"},
        marker={"color": _COLOURS[info.kind], "size": 6, "symbol": _SYMBOLS[info.kind]},
        error_x=_bars(points, x), error_y=_bars(points, y),
        hovertext=[_hover(p) for p in points], hoverinfo="text",
    )  # fmt: skip
    figure = go.Figure([others, front])
    figure.update_xaxes(title=_axis(info, x))
    figure.update_yaxes(title=_axis(info, y))
    for metric, add_line in ((x, figure.add_vline), (y, figure.add_hline)):
        if metric in info.constraints:
            bound = info.constraints[metric]
            add_line(bound, line={"dash": "dash", "color": _COLOURS["limit"], "width": 1},
                     annotation_text=f"limit {METRICS[metric].amount(bound)}")  # fmt: skip
    return figure


def _axis(info: FrontInfo, metric: str) -> str:
    return f"{METRICS[metric].axis}, {info.kind}"


def _bars(points: Sequence[FrontPoint], metric: str) -> dict[str, object] | None:
    if not all(metric in p.std for p in points):
        return None
    std = [p.std[metric] for p in points]
    return {"type": "data", "array": std, "thickness": 0.8, "width": 0}


def _draw_3d(info: FrontInfo) -> go.Figure:
    names = info.front.objectives

    def cloud(columns: list[list[float]], name: str, colour: str, size: float) -> go.Scatter3d:
        x, y, z = columns
        return go.Scatter3d(x=x, y=y, z=z, mode="markers", name=name,
                            marker={"color": colour, "size": size})  # fmt: skip

    others = cloud(info.others.T.tolist(), "other subnets", _COLOURS["other"], 1.5)
    points = [[p.values[m] for p in info.front] for m in names]
    front = cloud(points, f"Pareto front ({info.kind})", _COLOURS[info.kind], 3)
    front.update(hovertext=[_hover(p) for p in info.front], hoverinfo="text")
    scene: dict[str, object] = {
        f"{a}axis": {"title": {"text": _axis(info, m), "font": {"size": 11}}, "nticks": 6}
        for a, m in zip("xyz", names, strict=True)
    }
    # further away than plotly's own camera, or the titles of the axes are cut off
    scene.update(aspectmode="cube", camera={"eye": {"x": 1.7, "y": 1.7, "z": 1.0}})
    margin = {"l": 0, "r": 0, "b": 0, "t": 60}
    return go.Figure([others, front]).update_layout(scene=scene, margin=margin)


def _hover(point: FrontPoint) -> str:
    return str(point).replace(": ", "<br>", 1).replace(" | ", "<br>")

"""The Pareto front over the other trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies import METRICS, Front

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
        constraints: Bound of each constrained objective.
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
    limits = {m: b for m, b in study.problem.constraints.items() if m in front.objectives}
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
    shown = f", {len(info.others):,} of them drawn" if len(info.others) < info.n_others else ""
    figure.update_layout(
        title=f"{info.title}: {len(info.front)} {info.kind} subnets on the Pareto front"
        f"<br><sup>over {info.n_others:,} others{shown}</sup>",
        template="plotly_white",
        legend={"orientation": "h", "y": -0.18},
        margin={"t": 80},
    )
    return figure


def _draw_2d(info: FrontInfo) -> go.Figure:
    # the cost across, what is gained upwards
    y, x = info.front.objectives
    xs, ys = ([p.values[m] for p in info.front] for m in (x, y))
    column = {m: i for i, m in enumerate(info.front.objectives)}
    others = go.Scattergl(
        x=info.others[:, column[x]], y=info.others[:, column[y]], mode="markers",
        name="other subnets", hoverinfo="skip",
        marker={"color": _COLOURS["other"], "size": 4, "opacity": 0.5},
    )  # fmt: skip
    front = go.Scatter(
        x=xs, y=ys, mode="markers+lines", name=f"Pareto front ({info.kind})",
        line={"color": _COLOURS[info.kind], "width": 1, "shape": "hv"},
        marker={"color": _COLOURS[info.kind], "size": 6, "symbol": _SYMBOLS[info.kind]},
        error_x=_bars(info.front, x), error_y=_bars(info.front, y),
        hovertext=[_hover(p) for p in info.front], hoverinfo="text",
    )  # fmt: skip
    figure = go.Figure([others, front])
    figure.update_xaxes(title=f"{METRICS[x].axis}, {info.kind}")
    figure.update_yaxes(title=f"{METRICS[y].axis}, {info.kind}")
    for metric, bound in info.constraints.items():
        add_line = figure.add_vline if metric == x else figure.add_hline
        add_line(bound, line={"dash": "dash", "color": _COLOURS["limit"], "width": 1},
                 annotation_text=f"limit {bound:g} {METRICS[metric].unit}")  # fmt: skip
    return figure


def _bars(front: Front, metric: str) -> dict[str, object] | None:
    if not all(metric in p.std for p in front):
        return None
    std = [p.std[metric] for p in front]
    return {"type": "data", "array": std, "thickness": 0.8, "width": 0}


def _draw_3d(info: FrontInfo) -> go.Figure:
    names = info.front.objectives

    def cloud(columns: list[list[float]], name: str, colour: str, size: int) -> go.Scatter3d:
        x, y, z = columns
        return go.Scatter3d(x=x, y=y, z=z, mode="markers", name=name,
                            marker={"color": colour, "size": size})  # fmt: skip

    others = cloud(info.others.T.tolist(), "other subnets", _COLOURS["other"], 2)
    points = [[p.values[m] for p in info.front] for m in names]
    front = cloud(points, f"Pareto front ({info.kind})", _COLOURS[info.kind], 4)
    front.update(hovertext=[_hover(p) for p in info.front], hoverinfo="text")
    axes = {f"{a}axis": {"title": METRICS[m].axis} for a, m in zip("xyz", names, strict=True)}
    return go.Figure([others, front]).update_layout(scene=axes)


def _hover(point: object) -> str:
    return str(point).replace(": ", "<br>", 1).replace(" | ", "<br>")

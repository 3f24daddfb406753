"""The Pareto front over the other trials."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    KINDS,
    Findings,
    FrontPoint,
    Limits,
    find_picks,
    limit_words,
    reference_words,
    require_reached,
    unit,
)
from optuna_ofa.problem import Kind, Metric, preferred
from optuna_ofa.visualization._front_info import FrontInfo, front_info
from optuna_ofa.visualization._origin import axis_title, devices_of, origin_words
from optuna_ofa.visualization._style import (
    BELOW,
    GREY,
    PALETTE,
    error_bars,
    finish,
    hovering,
    keep_long_bars_out,
    symbol,
)

_AROUND_3D = {"l": 0, "r": 0, "b": 40}
_MAX_BARS = 40  # more of them hide the points
_COLOURS = dict(zip(KINDS, PALETTE, strict=False))
_OTHERS = {"predicted": GREY, "measured": "#E9A97C"}
_SYMBOLS = {"predicted": "circle-open", "measured": "circle"}


@checked
def plot_front(
    study: Findings,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
) -> go.Figure:
    """Draw the Pareto front of a study with two or three objectives.

    With two, the cost is on the horizontal axis. Bars show the standard deviation where the
    predictors know it or it was measured, at 40 points spread along the front if it has more;
    hovering shows the subnet in words.

    Args:
        study: The study.
        limits: Upper limits of the cost; the best subnet within each and the knee are marked, of
            the measured front where both are drawn. With two objectives only.
        picks: More subnets to mark, by name.
        kind: As in `SubnetStudy.front`, but None draws the fronts of both kinds, apart, where
            the study has both.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
        InvalidArgumentError: If the study has one objective or more than three, or there is no
            subnet within a limit.
    """
    n = len(study.problem.objectives)
    if n not in (2, 3):
        raise InvalidArgumentError(f"`study` must have 2 or 3 objectives to be drawn, but has {n}.")
    found = study.snapshot()
    kinds = found.kinds if kind is None else []
    infos = [front_info(found, kind=k) for k in kinds or (kind,)]
    if n == 2:
        figure = _draw_2d(infos)
        if limits is not None or picks is not None:
            figure.add_traces(_marks(infos[-1], limits, picks or {}))
        return finish(figure, *_titles(infos), legend=BELOW)
    first, *notes = _titles(infos)
    axes = "; ".join(_axis(infos, m) for m in infos[0].front.objectives)
    return finish(_draw_3d(infos), first, axes, *notes, legend=BELOW, margin=_AROUND_3D)


def _titles(infos: Sequence[FrontInfo]) -> tuple[str, str, str, str]:
    first, many = infos[0], len(infos) > 1
    subnets = " and ".join(f"{len(i.front):,} {i.kind}" for i in infos)
    plural = "s" * (many or len(first.front) > 1)
    n_others, n_drawn = sum(i.n_others for i in infos), sum(len(i.others) for i in infos)
    shown = f", {n_drawn:,} of them drawn" if n_drawn < n_others else ""
    limits = limit_words(first.constraints, first.metrics)
    within = f"; limits: {limits}" if limits else ""
    volumes = [f"{i.hypervolume:,.4g}" + f" ({i.kind})" * many for i in infos]
    return (
        f"{first.title}: {subnets} subnet{plural} on the Pareto front{'s' * many}",
        f"over {n_others:,} others{shown}{within}",
        f"hypervolume {', '.join(volumes)} {unit(first.front.metrics)} over "
        f"{reference_words(first.reference, first.front.metrics)}",
        origin_words(devices_of(p for i in infos for p in i.front), [first.moment]),
    )


def across_and_up(metrics: Mapping[str, Metric]) -> tuple[str, str]:
    """Return the metrics of the two axes: the cost across, what is gained upwards."""
    x, y = sorted(metrics, key=lambda m: metrics[m].maximize)
    return (preferred(metrics)[-1], preferred(metrics)[0]) if metrics[x].maximize else (x, y)


def steps_of(across: Metric) -> str:
    """Return plotly's shape of a front's line, which is at the best value within each limit."""
    return "vh" if across.maximize else "hv"


def _draw_2d(infos: Sequence[FrontInfo]) -> go.Figure:
    x, y = across_and_up(infos[0].front.metrics)
    figure = go.Figure([*(_others(i, x, y) for i in infos), *(_front(i, x, y) for i in infos)])
    figure.update_layout(xaxis_title=_axis(infos, x), yaxis_title=_axis(infos, y))
    keep_long_bars_out(figure)
    for metric, add_line in ((x, figure.add_vline), (y, figure.add_hline)):
        if metric in infos[0].constraints:
            bound = infos[0].constraints[metric]
            add_line(
                bound,
                line={"dash": "dash", "color": "#000000", "width": 1},
                annotation_text=f"limit {infos[0].metrics[metric].amount(bound)}",
                annotation_position="bottom left" if metric == x else "top right",
                annotation_bgcolor="rgba(255,255,255,0.7)",
            )
    return figure


def _others(info: FrontInfo, x: str, y: str) -> go.Scatter:
    column = {m: i for i, m in enumerate(info.front.objectives)}
    size, opacity = (4, 0.5) if len(info.others) > 100 else (6, 0.9)
    # no `Scattergl`, which plotly draws over the front
    return go.Scatter(
        x=info.others[:, column[x]],
        y=info.others[:, column[y]],
        mode="markers",
        name=f"other subnets ({info.kind})",
        marker={"color": _OTHERS[info.kind], "size": size, "opacity": opacity},
        **hovering(None),
    )


def _front(info: FrontInfo, x: str, y: str) -> go.Scatter:
    points = sorted(info.front, key=lambda p: p.values[x])  # the line goes from left to right
    barred = along_line(points, x, y)
    has_bars = any(metric in p.std for p in points for metric in (x, y))
    thinned = f"; bars at {len(barred)}" if has_bars and len(barred) < len(points) else ""
    colour, size = _COLOURS[info.kind], 6 if len(points) <= 100 else 4
    return go.Scatter(
        x=[p.values[x] for p in points],
        y=[p.values[y] for p in points],
        mode="markers+lines",
        name=f"Pareto front ({info.kind}{thinned})",
        line={"color": colour, "width": 1, "shape": steps_of(info.metrics[x])},
        marker={"color": colour, "size": size, "symbol": _SYMBOLS[info.kind]},
        error_x=bars(points, x, barred),
        error_y=bars(points, y, barred),
        **hovering([hover_words(p) for p in points]),
    )


def _marks(
    info: FrontInfo, limits: Limits | None, picks: Mapping[str, FrontPoint]
) -> list[go.Scatter]:
    """Return a trace for each pick and the knee, with a symbol and a line of the legend each."""
    x, y = across_and_up(info.front.metrics)
    require_reached(limits, [info.front])
    found = find_picks(info.front, limits=limits or (), picks=picks)
    named = {"knee": info.front.knee(), **{n: p for n, p in found.items() if p is not None}}
    return [
        go.Scatter(
            x=[point.values[x]],
            y=[point.values[y]],
            mode="markers",
            name=f"{name} ({point.kind})",
            marker={
                "symbol": "star" if name == "knee" else f"{symbol(i)}-open",
                "size": 13,
                "color": "#000000",
                "line": {"width": 2},
            },
            **hovering([f"{name}<br>{hover_words(point)}"]),
        )
        for i, (name, point) in enumerate(named.items())
    ]


def along_line(points: Sequence[FrontPoint], x: str, y: str) -> NDArray[np.intp]:
    """Return at most 40 points at similar distances along the line, its ends included."""
    if len(points) <= _MAX_BARS:
        return np.arange(len(points))
    values = np.array([[p.values[x], p.values[y]] for p in points])
    steps = np.abs(np.diff(values, axis=0)) / np.maximum(np.ptp(values, axis=0), 1e-12)
    along = np.concatenate([[0.0], np.cumsum(steps.sum(axis=1))])
    wanted = np.linspace(0, along[-1], _MAX_BARS)
    return np.unique(np.searchsorted(along, wanted).clip(max=len(points) - 1))


def _axis(infos: Sequence[FrontInfo], metric: str) -> str:
    cautions = [i.front[0].caution[metric] for i in infos if metric in i.front[0].caution]
    bound = f", predictions {cautions[0]:g} std worse" if cautions else ""
    return f"{axis_title(infos[0].metrics[metric], [i.kind for i in infos])}{bound}"


def bars(
    points: Sequence[FrontPoint], metric: str, barred: NDArray[np.intp]
) -> dict[str, object] | None:
    """Return the bars of a metric at some of the points."""
    std = np.full(len(points), np.nan)  # no bar
    std[barred] = [points[i].std.get(metric, np.nan) for i in barred]
    return error_bars(std)


def _draw_3d(infos: Sequence[FrontInfo]) -> go.Figure:
    names = infos[0].front.objectives

    def cloud(columns: list[list[float]], name: str, colour: str, size: float) -> go.Scatter3d:
        x, y, z = columns
        return go.Scatter3d(
            x=x, y=y, z=z, mode="markers", name=name, marker={"color": colour, "size": size}
        )

    others, fronts = [], []
    for info in infos:
        columns = info.others.T.tolist()
        others.append(cloud(columns, f"other subnets ({info.kind})", _OTHERS[info.kind], 1.5))
        points = [[p.values[m] for p in info.front] for m in names]
        front = cloud(points, f"Pareto front ({info.kind})", _COLOURS[info.kind], 3)
        fronts.append(front.update(**hovering([hover_words(p) for p in info.front])))
    scene: dict[str, object] = {
        f"{a}axis": {"title": {"text": _short(infos[0].metrics[m])}, "nticks": 5}
        for a, m in zip("xyz", names, strict=True)
    }
    # further away than plotly's own camera, or the titles of the axes are cut off
    scene.update(aspectmode="cube", camera={"eye": {"x": 2.1, "y": 2.1, "z": 1.2}})
    scene.update(domain={"x": [0.04, 0.96], "y": [0, 1]})
    figure = go.Figure([*others, *fronts])
    return figure.update_layout(scene=scene, font={"size": 11})


def _short(metric: Metric) -> str:
    """Return the title of an axis that is drawn askew, where long ones are cut off."""
    return "<br>".join(textwrap.wrap(metric.axis, 18))


def hover_words(point: FrontPoint) -> str:
    """Return a point in lines, its subnet in words."""
    return str(point).replace(": ", "<br>", 1).replace(" | ", "<br>")

"""The Pareto front over the other trials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    KINDS,
    Findings,
    FrontBound,
    FrontPoint,
    Limits,
    limit_words,
    reference_words,
    unit,
)
from optuna_ofa.problem import Kind
from optuna_ofa.visualization._board_lines import add_board_lines, board_lines, is_far
from optuna_ofa.visualization._extrapolated import marks_of, unknown_words
from optuna_ofa.visualization._front_axes import (
    across_and_up,
    along_line,
    bars,
    colour_axis,
    coloured,
    hover_words,
    steps_of,
    third_of,
)
from optuna_ofa.visualization._front_bound import bound_info, bound_trace
from optuna_ofa.visualization._front_info import FrontInfo, front_info
from optuna_ofa.visualization._front_marks import mark_traces
from optuna_ofa.visualization._origin import (
    Known,
    accuracy_words,
    axis_title,
    devices_of,
    origin_words,
)
from optuna_ofa.visualization._style import (
    BELOW,
    GREY,
    PALETTE,
    finish,
    hovering,
    keep_long_bars_out,
)

_COLOURS = dict(zip(KINDS, PALETTE, strict=False))
_OTHERS = {"predicted": GREY, "measured": "#E9A97C"}
_SYMBOLS = {"predicted": "circle-open", "measured": "circle"}
_SOLID = {
    "predicted": "circle",
    "measured": "diamond",
}  # filled with the colour of a third objective


@checked
def plot_front(
    study: Findings,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    bound: FrontBound | None = None,
    boards: Sequence[str] | None = None,
) -> go.Figure:
    """Plot the Pareto front of a study with two or three objectives.

    The first cost is on the horizontal axis, accuracy on the vertical one, and colour shows a third
    objective. Error bars show standard deviations of predictions or measurements that have them,
    at 40 points spread along the front if it has more (with three objectives at none then);
    hovering shows all values and the subnet as text. Squares mark points that are extrapolated: far
    from what a predictor was fitted on. The knee is marked, on the measured front if
    both are shown, unless the front has fewer than three points or the knee would be
    one of its ends. Over SRAM or flash memory, dotted lines show what microcontrollers have.

    Args:
        study: The study.
        limits: Upper limits of the cost; the best subnet within each is marked.
        picks: More subnets to mark, by name.
        kind: As in `SubnetStudy.front`, but None shows the fronts of both kinds, separately, if
            the study has both.
        bound: What `SubnetStudy.bound` returned: a thin line that no prediction is beyond. It is
            drawn up to the largest cost that is shown.
        boards: Microcontrollers by name, as in `optuna_ofa.study`, if the horizontal axis is
            ``sram_kb`` or ``flash_kb``. None shows that of the study and all known ones whose
            memory is within the range of the front; an empty sequence shows none.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
        InvalidArgumentError: If the study has one objective or more than three, no subnet is
            within a limit, a pick does not have the objectives of the study, or ``boards`` are
            unknown or the horizontal axis is neither of the two.
    """
    n = len(study.problem.objectives)
    if n not in (2, 3):
        raise InvalidArgumentError(f"`study` must have 2 or 3 objectives to be drawn, but has {n}.")
    found = study.snapshot()
    kinds = found.kinds if kind is None else []
    infos = [front_info(found, kind=k) for k in kinds or (kind,)]
    across, _ = across_and_up(infos[0].front.metrics)
    fronts, own, limit = [i.front for i in infos], infos[0].board, infos[0].constraints.get(across)
    lines = board_lines(across, fronts, boards, own=[own] if own else (), limit=limit)
    figure = _draw(infos)
    add_board_lines(figure, lines)
    if bound is not None:
        figure.add_trace(bound_trace(bound_info(bound, infos)))
    figure.add_traces(mark_traces(infos, limits, picks or {}))
    return finish(figure, *_titles(infos), legend=BELOW)


def _titles(infos: Sequence[FrontInfo]) -> tuple[str, ...]:
    first, many = infos[0], len(infos) > 1
    points = [point for info in infos for point in info.front]
    devices = devices_of(points)
    subnets = " and ".join(f"{len(i.front):,} {i.kind}" for i in infos)
    plural = "s" * (many or len(first.front) > 1)
    n_others, n_drawn = sum(i.n_others for i in infos), sum(len(i.others) for i in infos)
    shown = f", {n_drawn:,} of them drawn" if n_drawn < n_others else ""
    limits = limit_words(first.constraints, first.metrics)
    board = f" (board {first.board.title})" if first.board is not None else ""
    within = f"; limits: {limits}{board}" if limits else ""
    volumes = [f"{i.hypervolume:,.4g}" + f" ({i.kind})" * many for i in infos]
    return (
        f"{_name(first, devices)}: {subnets} {first.noun}{plural} on the Pareto front{'s' * many}",
        f"over {n_others:,} others{shown}{within}; "
        f"hypervolume {', '.join(volumes)} {unit(first.front.metrics)} over "
        f"{reference_words(first.reference, first.front.metrics)}",
        accuracy_words(points),
        origin_words(devices, [first.moment]),
        unknown_words(points),
    )


def _name(info: FrontInfo, devices: Sequence[Known]) -> str:
    """Return the name of the study, or family and device if it was not given a name."""
    names = {device.processor for _, device in devices if device.processor}
    return f"{info.title} on {names.pop()}" if info.is_unnamed and len(names) == 1 else info.title


def _draw(infos: Sequence[FrontInfo]) -> go.Figure:
    x, y = across_and_up(infos[0].front.metrics)
    marks = marks_of((point for info in infos for point in info.front), x, y)
    others, fronts = [_others(i, x, y) for i in infos], [_front(i, x, y) for i in infos]
    figure = go.Figure([*others, *marks, *fronts])
    figure.update_layout(xaxis_title=_axis(infos, x), yaxis_title=_axis(infos, y))
    if (third := third_of(infos[0].front.metrics)) is not None:
        figure.update_layout(coloraxis=colour_axis(_axis(infos, third)))
    keep_long_bars_out(figure)
    for metric, add_line in ((x, figure.add_vline), (y, figure.add_hline)):
        bound = infos[0].constraints.get(metric)
        if bound is None or is_far(bound, [i.front for i in infos], metric):
            continue
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
    # not `Scattergl`, which plotly would draw over the front
    return go.Scatter(
        x=info.others[:, column[x]],
        y=info.others[:, column[y]],
        mode="markers",
        name=f"other {info.noun}s ({info.kind})",
        marker={"color": _OTHERS[info.kind], "size": size, "opacity": opacity},
        **hovering(None),
    )


def _front(info: FrontInfo, x: str, y: str) -> go.Scatter:
    points = sorted(info.front, key=lambda p: p.values[x])  # the line goes from left to right
    third = third_of(info.front.metrics)
    barred = along_line(points, x, y, third)
    has_bars = any(metric in p.std for p in points for metric in (x, y))
    thinned = f"; bars at {len(barred)}" if has_bars and 0 < len(barred) < len(points) else ""
    colour, size = _COLOURS[info.kind], 6 if len(points) <= 100 else 4
    marker: dict[str, object] = {"color": colour, "size": size, "symbol": _SYMBOLS[info.kind]}
    if third is not None:
        marker = coloured(points, third, _SOLID[info.kind])
    return go.Scatter(
        x=[p.values[x] for p in points],
        y=[p.values[y] for p in points],
        mode="markers+lines" if third is None else "markers",
        name=f"Pareto front ({info.kind}{thinned})",
        line={"color": colour, "width": 1, "shape": steps_of(info.metrics[x])},
        marker=marker,
        error_x=bars(points, x, barred),
        error_y=bars(points, y, barred),
        **hovering([hover_words(p) for p in points]),
    )


def _axis(infos: Sequence[FrontInfo], metric: str) -> str:
    cautions = [i.front[0].caution[metric] for i in infos if metric in i.front[0].caution]
    bound = f", predictions {cautions[0]:g} std worse" if cautions else ""
    return f"{axis_title(infos[0].metrics[metric], [i.kind for i in infos])}{bound}"

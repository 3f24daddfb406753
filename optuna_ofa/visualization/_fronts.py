"""Several fronts in one plot."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from optuna_ofa._arguments import checked
from optuna_ofa.data import Board
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import KINDS, Findings, Front, same_objectives
from optuna_ofa.problem import MEASURED, PREDICTED, Kind, Metric
from optuna_ofa.space import table_of
from optuna_ofa.visualization._board_lines import add_board_lines, board_lines
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
from optuna_ofa.visualization._origin import accuracy_words, axis_title, devices_of, origin_words
from optuna_ofa.visualization._style import (
    BELOW,
    colour,
    finish,
    hovering,
    keep_long_bars_out,
    symbol,
)

Kinds = Kind | Literal["both"]


class FrontsInfo(NamedTuple):
    """The data of a plot of several fronts.

    Args:
        fronts: The fronts by name.
        across: The metric of the horizontal axis, the cost.
        up: The metric of the vertical axis.
        third: The metric that is the colour; None of two objectives.
        metrics: All of them by name.
        kinds: Whether the values of each front are predicted or measured.
        moments: When the last trial of each study finished; only for studies.
        numbers: The number of the colour and symbol of each front, which those of both kinds of a
            study share.
        boards: The microcontrollers of the studies.
    """

    fronts: dict[str, Front]
    across: str
    up: str
    third: str | None
    metrics: dict[str, Metric]
    kinds: dict[str, str]
    moments: dict[str, datetime.datetime | None]
    numbers: dict[str, int]
    boards: tuple[Board, ...] = ()


def fronts_info(fronts: Mapping[str, Front | Findings], *, kind: Kinds | None = None) -> FrontsInfo:
    """Collect the data of `plot_fronts`."""
    snapshots = {n: of.snapshot() for n, of in fronts.items() if not isinstance(of, Front)}
    found: dict[str, Front] = {}
    numbers: dict[str, int] = {}
    for i, (name, given) in enumerate(fronts.items()):
        of = {name: given} if isinstance(given, Front) else _of_study(name, snapshots[name], kind)
        found |= of
        numbers |= dict.fromkeys(of, i)
    objectives = same_objectives("fronts", {name: f.objectives for name, f in found.items()})
    if len(objectives) not in (2, 3):
        raise InvalidArgumentError(
            f"`fronts` must have 2 or 3 objectives to be drawn, but have {', '.join(objectives)}."
        )
    empty = [name for name, front in found.items() if not len(front)]
    if empty:
        raise InvalidArgumentError(f"`fronts` must have points, but {empty[0]!r} has none.")
    metrics = next(iter(found.values())).metrics
    across, up = across_and_up(metrics)
    kinds = {name: front[0].kind for name, front in found.items()}
    moments = {name: of.finished for name, of in snapshots.items()}
    own = tuple(of.problem.board for of in snapshots.values() if of.problem.board is not None)
    return FrontsInfo(found, across, up, third_of(metrics), metrics, kinds, moments, numbers, own)


def _of_study(name: str, study: Findings, kind: Kinds | None) -> dict[str, Front]:
    """Return the front of a kind by the name of the study; those of both kinds by both."""
    if kind != "both":
        return {name: study.front(kind=kind)}
    return {f"{name}, {k}": study.front(kind=k) for k in study.snapshot().kinds or KINDS[:1]}


@checked
def plot_fronts(
    fronts: Mapping[str, Front | Findings],
    *,
    kind: Kinds | None = None,
    boards: Sequence[str] | None = None,
) -> go.Figure:
    """Plot the fronts of several devices, precisions or studies in one figure.

    Bars show the standard deviations of measured values. With three objectives, colour shows the
    third, and each front has its own symbol. Extrapolated points are marked as in `plot_front`.

    Args:
        fronts: Fronts, or studies whose fronts are plotted, by name. They must have the same two
            or three objectives, in any order.
        kind: As in `SubnetStudy.front`, for studies; ``"both"`` plots the predicted front
            (dotted) and the measured one of each, where it has them, in one colour.
        boards: As in `plot_front`; None shows those of the studies and all known ones whose memory
            is within the range of the fronts.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: If they do not have the same two or three objectives, a front is
            empty, or ``boards`` are unknown or the horizontal axis is no memory.
    """
    info = fronts_info(fronts, kind=kind)
    shown = board_lines(info.across, [*info.fronts.values()], boards, own=info.boards)
    kinds = sorted(set(info.kinds.values()))
    n = len(info.fronts)
    points = [point for front in info.fronts.values() for point in front]
    lines = [_line(info, name) for name in info.fronts]
    figure = go.Figure([*marks_of(points, info.across, info.up), *lines])
    keep_long_bars_out(figure)
    add_board_lines(figure, shown)
    if info.third is not None:
        title = axis_title(info.metrics[info.third], kinds)
        figure.update_layout(coloraxis=colour_axis(title))
    return finish(
        figure,
        f"{n} Pareto front{'s' * (n > 1)}",
        accuracy_words(points),
        origin_words(devices_of(points), info.moments.values()),
        unknown_words(points),
        xaxis_title=axis_title(info.metrics[info.across], kinds),
        yaxis_title=axis_title(info.metrics[info.up], kinds),
        showlegend=True,
        legend=BELOW,
    )


def _line(info: FrontsInfo, name: str) -> go.Scatter:
    i = info.numbers[name]
    points = sorted(info.fronts[name], key=lambda p: p.values[info.across])
    n = len(points)
    # only for measured values: the many bars of predicted fronts overlap
    is_measured = info.kinds[name] == MEASURED
    barred = along_line(points, info.across, info.up, info.third) if is_measured else np.arange(0)
    kinds, kind = set(info.kinds.values()), info.kinds[name]
    of_kind = f", {kind}" if len(kinds) > 1 and not name.endswith(kind) else ""
    marker: dict[str, object] = {
        "color": colour(i),
        "size": 6 if n <= 100 else 3,
        "symbol": symbol(i),
    }
    line: dict[str, object] = {"color": colour(i), "width": 1}
    if kind == PREDICTED and len(kinds) > 1:
        line["dash"], marker["symbol"] = "dot", f"{symbol(i)}-open"
    if info.third is not None:
        marker = coloured(points, info.third, symbol(i))
    return go.Scatter(
        x=[p.values[info.across] for p in points],
        y=[p.values[info.up] for p in points],
        mode="lines+markers" if info.third is None else "markers",
        name=f"{name} ({n:,} {table_of(points[0].subnet).noun}{'s' * (n > 1)}{of_kind})",
        line={**line, "shape": steps_of(info.metrics[info.across])},
        marker=marker,
        error_x=bars(points, info.across, barred),
        error_y=bars(points, info.up, barred),
        **hovering([f"{name}<br>{hover_words(p)}" for p in points]),
    )

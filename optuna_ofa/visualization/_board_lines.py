"""Vertical lines of microcontrollers in a plot of a front over SRAM or flash memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import plotly.graph_objects as go

from optuna_ofa.data import MEMORIES, Board, find_board, known_boards
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Front
from optuna_ofa.problem import Metric

_APART = 0.045  # part of the axis that the label of one line takes
# Heights of labels, below the front and above the word of a limit; the second one where another
# label is too near.
_LEVELS = (0.09, 0.6)
_COLOUR = "#666666"


class BoardLine(NamedTuple):
    """The line of the boards that have the same memory.

    Args:
        value: Their memory.
        label: Their names and the memory.
        height: Where the label begins, as a part of the height of the plot; None where its boards
            are named in the label of the line before.
        is_limit: Whether it is a limit of the study, which has a line already.
    """

    value: float
    label: str
    height: float | None
    is_limit: bool = False


def is_far(value: float, fronts: Sequence[Front], across: str) -> bool:
    """Return whether a memory is so far from the fronts that its line would compress them.

    It is, if it is beyond them by more than they are wide, such as 4,096 kB of flash.
    """
    low, high = _ends(fronts, across)
    return across in MEMORIES and low < high and value > high + (high - low)


def board_lines(
    across: str,
    fronts: Sequence[Front],
    boards: Sequence[str] | None,
    *,
    own: Sequence[Board] = (),
    limit: float | None = None,
) -> list[BoardLine]:
    """Collect the lines of boards, from left to right.

    Args:
        across: The metric of the horizontal axis.
        fronts: The fronts in the plot.
        boards: The boards by name; None takes those of the studies, unless they are far, and all
            known ones whose memory is within the range of the fronts, if the axis is a memory.
        own: The boards of the studies.
        limit: The bound of the metric, if it has a line already.

    Raises:
        InvalidArgumentError: If a name is unknown, or boards are given and the axis is no memory.
    """
    if across not in MEMORIES:
        if boards:
            raise InvalidArgumentError(
                f"`boards` must be left out unless the horizontal axis is one of "
                f"{', '.join(MEMORIES)}, but it is {across}."
            )
        return []
    shown = _of_range(across, fronts, own) if boards is None else _named(boards)
    metric = fronts[0].metrics[across]
    by_value = sorted(shown, key=lambda board: board.limits[across])
    groups = [(v, [*of]) for v, of in groupby(by_value, key=lambda board: board.limits[across])]
    ends = [*_ends(fronts, across), *(value for value, _ in groups)]
    labels = [(v, _label(metric, v, of)) for v, of in groups]
    lines = _placed(labels, _APART * (max(ends) - min(ends)))
    return [line._replace(is_limit=line.value == limit) for line in lines]


def _named(boards: Sequence[str]) -> list[Board]:
    return [*dict.fromkeys(find_board(name, "boards") for name in boards)]


def _of_range(across: str, fronts: Sequence[Front], own: Sequence[Board]) -> list[Board]:
    low, high = _ends(fronts, across)
    inside = [board for board in known_boards() if low <= board.limits[across] <= high]
    near = [board for board in own if not is_far(board.limits[across], fronts, across)]
    return [*dict.fromkeys([*near, *inside])]


def _ends(fronts: Sequence[Front], across: str) -> tuple[float, float]:
    values = [point.values[across] for front in fronts for point in front]
    return min(values), max(values)


def _label(metric: Metric, value: float, boards: Sequence[Board]) -> str:
    """Return the name of the first board, the number of the others, and their memory."""
    others = f" +{len(boards) - 1}" if len(boards) > 1 else ""
    return f"{boards[0].title}{others}: {metric.amount(value)}"


def _placed(labels: Sequence[tuple[float, str]], apart: float) -> list[BoardLine]:
    """Return lines whose labels do not overlap: nearer ones are at different heights, or joined."""
    lines: list[BoardLine] = []
    last: dict[float, int] = {}  # the line whose label is the last one at each height
    for value, label in labels:
        free = [h for h in _LEVELS if h not in last or value - lines[last[h]].value >= apart]
        if free:
            last[free[0]] = len(lines)
        else:
            before = max(last.values())
            lines[before] = lines[before]._replace(label=f"{lines[before].label}; {label}")
        lines.append(BoardLine(value, label, free[0] if free else None))
    return lines


def add_board_lines(figure: go.Figure, lines: Sequence[BoardLine]) -> None:
    """Draw the lines, with labels along them."""
    for line in lines:
        if not line.is_limit:
            figure.add_vline(line.value, line={"dash": "dot", "color": _COLOUR, "width": 1})
        if line.height is not None:
            figure.add_annotation(
                x=line.value,
                y=line.height,
                yref="paper",
                text=line.label,
                textangle=-90,
                xanchor="right",
                yanchor="bottom",
                showarrow=False,
                font={"size": 10, "color": _COLOUR},
                bgcolor="rgba(255,255,255,0.6)",
                borderpad=0,
            )

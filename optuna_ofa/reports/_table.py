"""Tables of texts, as Markdown and as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from optuna_ofa.fronts import FrontPoint, Picks, Snapshot
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import METRICS
from optuna_ofa.space import subnet_layers

_COUNTS = {"n_macs": "Multiply-adds", "n_params": "Parameters"}


class Table(NamedTuple):
    """A table.

    Args:
        head: The titles of its columns.
        rows: Its rows, with a text for each column.
        numeric: Whether each column has numbers, to be aligned to the right.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---:" if is_number else "---" for is_number in self.numeric]
        lines = (self.head, rule, *self.rows)
        return "\n".join(f"| {' | '.join(map(_plain, line))} |" for line in lines)

    def to_html(self) -> str:
        """Return the table as an element of a page."""
        head = "".join(_cell("th", x, n) for x, n in zip(self.head, self.numeric, strict=True))
        rows = (
            "".join(_cell("td", x, n) for x, n in zip(row, self.numeric, strict=True))
            for row in self.rows
        )
        body = "\n".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _plain(text: str) -> str:
    is_rule = text.strip("-:") == "" and len(text) > 1
    # space that stays, because Optuna Dashboard has none between columns
    return text if is_rule else f"&nbsp;{text}&nbsp;".replace("|", "\\|").replace("\n", " ")


def _cell(tag: str, text: str, is_number: bool) -> str:
    mark = ' class="number"' if is_number else ""
    return f"<{tag}{mark}>{html.escape(text)}</{tag}>"


def pick_table(shown: Mapping[str, tuple[Snapshot, Picks]]) -> Table:
    """Return a line for each pick of each study, which is named where there are several.

    Args:
        shown: Each study with its picks, by name; all have the same objectives.
    """
    (found, _), *_ = shown.values()
    objectives, many = found.problem.objectives, len(shown) > 1
    counts = [name for name in _COUNTS if name not in objectives]
    titles = [METRICS[name].axis for name in objectives] + [_COUNTS[name] for name in counts]
    head = [*(["Study"] if many else []), "Pick", *titles, "Values are", "Input", "Blocks", "Trial"]
    words = len(head) - len(titles) - 4
    numeric = [False] * words + [True] * len(titles) + [False, True, True, True]
    rows = [
        (*([name] if many else []), pick, *_row(found, point, counts))
        for name, (found, picks) in shown.items()
        for pick, point in picks.items()
    ]
    return Table(tuple(head), tuple(rows), tuple(numeric))


def _row(found: Snapshot, point: FrontPoint | None, counts: Sequence[str]) -> tuple[str, ...]:
    objectives = found.problem.objectives
    if point is None:
        return (*["-"] * (len(objectives) + len(counts)), "none was found", "-", "-", "-")
    matrix = found.space.to_matrix([point.subnet])
    values = [_value(point, name) for name in objectives]
    values += [f"{CostPredictor(n, found.space).predict(matrix)[0] / 1e6:,.1f} M" for n in counts]
    n_blocks = sum(layer.role == "block" for layer in subnet_layers(point.subnet))
    return (
        *values,
        point.kind,
        f"{point.subnet.resolution} px",
        f"{n_blocks}",
        f"{point.trial_number}",
    )


def _value(point: FrontPoint, name: str) -> str:
    if not METRICS[name].unit:
        return f"{point.values[name] / 1e6:,.1f} M"
    spread = f" ± {point.std[name]:.2f}" if name in point.std else ""
    return f"{point.values[name]:.2f}{spread}"

"""Tables as Markdown and as HTML."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import NamedTuple

from optuna_ofa.fronts import (
    FrontPoint,
    Picks,
    Snapshot,
    extrapolation_note,
    kind_cell,
    marked,
    title_of,
)
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import METRICS
from optuna_ofa.space import Configuration, subnet_layers

_COUNTS = ("n_macs", "n_params")


class Table(NamedTuple):
    """A table.

    Args:
        head: The titles of its columns.
        rows: Its rows, with a text for each column.
        numeric: Whether each column is right-aligned, as for numbers.
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
    # non-breaking space, because Optuna Dashboard has no space between columns
    return text if is_rule else f"&nbsp;{text}&nbsp;".replace("|", "\\|").replace("\n", " ")


def _cell(tag: str, text: str, is_number: bool) -> str:
    mark = ' class="number"' if is_number else ""
    return f"<{tag}{mark}>{html.escape(text)}</{tag}>"


def pick_table(shown: Mapping[str, tuple[Snapshot, Picks]]) -> Table:
    """Return a row for each pick of each study; studies are named if there are several.

    Args:
        shown: Each study with its picks, by name; all have the same objectives.
    """
    (found, _), *_ = shown.values()
    objectives, many = found.problem.objectives, len(shown) > 1
    counts = [n for n in _COUNTS if n not in objectives and found.space.has_network]
    facts = ("Input", "Blocks") if found.space.has_network else ("Configuration",)
    shown_metrics = [*found.problem.objective_metrics.values(), *(METRICS[n] for n in counts)]
    points = _points(shown)
    titles = [title_of(of, points) + ", exact" * of.is_exact for of in shown_metrics]
    head = [*(["Study"] if many else []), "Pick", *titles, "Values are", *facts, "Trial"]
    words = 1 + many
    numeric = [False] * words + [True] * len(titles)
    numeric += [False, *(fact != "Configuration" for fact in facts), True]
    columns = [_column(shown, name) for name in (*objectives, *counts)]
    picks = [(name, *item) for name, (_, of) in shown.items() for item in of.items()]
    rows = [
        (*([study] if many else []), pick, *(c[i] for c in columns), *_facts(point, len(facts)))
        for i, (study, pick, point) in enumerate(picks)
    ]
    return Table(tuple(head), tuple(rows), tuple(numeric))


def pick_note(shown: Mapping[str, tuple[Snapshot, Picks]]) -> str:
    """Return the footnote of a table of picks; empty if there is nothing to say."""
    return extrapolation_note(_points(shown), of="picks", in_table=True)


def _points(shown: Mapping[str, tuple[Snapshot, Picks]]) -> list[FrontPoint | None]:
    return [point for _, picks in shown.values() for point in picks.values()]


def _column(shown: Mapping[str, tuple[Snapshot, Picks]], metric: str) -> list[str]:
    """Return the cells of a metric for all picks, with enough digits to tell them apart."""
    values: list[float] = []
    std: list[float | None] = []
    for found, picks in shown.values():
        for point in picks.values():
            if point is None:
                value = math.nan
            elif metric in point.values:
                value = point.values[metric]
            else:
                value = CostPredictor(metric, found.space).predict(
                    found.space.to_matrix([point.subnet])
                )[0]
            values.append(float(value))
            std.append(None if point is None else point.std.get(metric))
    texts = {**METRICS, **found.problem.metrics}[metric].column(values, std)
    texts = marked(texts, _points(shown), metric)
    return ["-" if math.isnan(v) else text for v, text in zip(values, texts, strict=True)]


def _facts(point: FrontPoint | None, n_facts: int) -> tuple[str, ...]:
    """Return the remaining cells of a row."""
    if point is None:
        return ("none found", *("-" * n_facts), "-")
    if isinstance(point.subnet, Configuration):
        return (kind_cell(point), point.subnet.text, f"{point.trial_number}")
    n_blocks = sum(layer.role == "block" for layer in subnet_layers(point.subnet))
    size = f"{point.subnet.resolution} px"
    return (kind_cell(point), size, f"{n_blocks}", f"{point.trial_number}")

"""A score, and the rows of the measurement table that it is kept in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from optuna_ofa.evaluation._accuracies import standard_error
from optuna_ofa.evaluation._score import Score
from optuna_ofa.measured import Row
from optuna_ofa.space import Subnet

METRICS = ("top1", "top5")


def to_rows(
    subnet: Subnet, score: Score, details: Mapping[str, Any]
) -> Iterator[tuple[Subnet, Row]]:
    """One row a metric, in percent; both hold the reason where there is no accuracy."""
    for metric in METRICS:
        if score.error is not None:
            yield subnet, Row(metric, None, None, 0, details, score.error)
            continue
        value = getattr(score, metric)
        std = float(standard_error(value, score.n_images))
        yield subnet, Row(metric, value, std, score.n_images, details)


def to_score(rows: Sequence[Row]) -> Score:
    """The newest score of a subnet from its rows, oldest first."""
    newest = {row.metric: row for row in rows}
    top1, top5 = (newest[metric] for metric in METRICS)
    if top1.value is None or top5.value is None:
        return Score(0, error=top1.error)
    return Score(top1.n, top1.value, top5.value)

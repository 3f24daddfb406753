"""Evaluated accuracies of many subnets, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa.evaluation._score import Score
from optuna_ofa.measurements import Row
from optuna_ofa.space import Matrix, SearchSpace, Subnet

COLUMNS = ("top1", "top5", "n_images")


@dataclass(frozen=True, eq=False)
class Accuracies:
    """How accurate subnets are on some images, in the order in which they were asked for.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` canonical genotypes.
        top1: ``(n,)`` share of images whose class has the largest logit, in percent; NaN where
            a subnet failed.
        top5: ``(n,)`` share of images whose class is among the five largest, in percent;
            100 where there are no more than five classes.
        n_images: ``(n,)`` images; 0 where a subnet failed.
        setup: Weights, data and calibration: all that an accuracy depends on but the subnet.
        failures: Why a subnet has no accuracy, by row.
    """

    space: SearchSpace
    matrix: Matrix
    top1: NDArray[np.float64]
    top5: NDArray[np.float64]
    n_images: NDArray[np.float64]
    setup: Mapping[str, Any]
    failures: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def evaluated(self) -> NDArray[np.bool_]:
        """``(n,)`` whether each has an accuracy."""
        return np.isfinite(self.top1)

    @property
    def top1_std(self) -> NDArray[np.float64]:
        """``(n,)`` standard errors of ``top1`` in points, as if images were drawn anew."""
        return standard_error(self.top1, self.n_images)

    @property
    def top5_std(self) -> NDArray[np.float64]:
        """``(n,)`` standard errors of ``top5`` in points."""
        return standard_error(self.top5, self.n_images)

    def select(self, rows: ArrayLike) -> Accuracies:
        """Some of the rows, by a mask or indices."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        reasons = [self.failures.get(row) for row in chosen.tolist()]
        failures = {i: reason for i, reason in enumerate(reasons) if reason is not None}
        return Accuracies(
            space=self.space,
            matrix=self.matrix[chosen],
            setup=self.setup,
            failures=failures,
            **columns,
        )


def standard_error(percent: ArrayLike, n: ArrayLike) -> NDArray[np.float64]:
    """Standard error of a share of ``n`` images in points: ``100 sqrt(p (1 - p) / n)``."""
    p = np.asarray(percent, dtype=float) / 100
    return np.asarray(100 * np.sqrt(p * (1 - p) / np.maximum(n, 1)))


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

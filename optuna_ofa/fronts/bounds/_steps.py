"""A bound or a front as a function: the best score of all subnets up to a cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Matrix

Array = NDArray[np.float64]


class Steps(NamedTuple):
    """Points of which each costs more than the previous one and has a larger score.

    Args:
        cost: ``(n,)`` ascending.
        score: ``(n,)`` ascending.
        rows: ``(n, n_genes)`` their subnets.
    """

    cost: Array
    score: Array
    rows: Matrix

    @staticmethod
    def of(cost: Array, score: Array, rows: Matrix) -> Steps:
        """Return the best of some points."""
        order = np.lexsort((-score, cost))
        best = np.maximum.accumulate(score[order])
        better = np.ones(len(best), dtype=bool)
        better[1:] = best[1:] > best[:-1]
        kept = order[better]
        return Steps(cost[kept], score[kept], rows[kept])

    @staticmethod
    def joined(parts: Sequence[Steps]) -> Steps:
        """Return the best of the points of several, at least one."""
        return Steps.of(*(np.concatenate(field) for field in zip(*parts, strict=True)))

    def with_points(self, cost: Array, score: Array, rows: Matrix) -> Steps:
        """Return the best of these and other points."""
        return Steps.joined([self, Steps(cost, score, rows)])

    def select(self, which: NDArray[np.bool_]) -> Steps:
        """Return some of the points."""
        return Steps._make(field[which] for field in self)

    def __call__(self, cost: Array) -> Array:
        """Return the best scores up to costs; minus infinity below the first."""
        places = np.searchsorted(self.cost, cost, side="right")
        return np.concatenate([[-np.inf], self.score])[places]

    def lowest(self, price: float, low: float, high: float) -> float:
        """Return the infimum, for costs from ``low`` to ``high``, of score minus price x cost."""
        inside = self.cost[(self.cost > low) & (self.cost < high)]
        scores = self(np.concatenate([[low], inside]))
        ends = np.concatenate([inside, [high]])
        return float((scores - price * ends if price else scores).min())

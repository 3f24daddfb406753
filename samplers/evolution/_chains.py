"""Chains of subnets, in each of which every subnet is better than the one before it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._moves import distances
from optuna_ofa.samplers.evolution._weights import weighted
from optuna_ofa.space import Matrix, SearchSpace

# the number of genes that a chain changes at a time
_FIRST_REACH, _LARGEST_REACH = 4, 8
# a chain that single changes do not improve has that many other single changes evaluated
N_LAST = 4


class Chains(NamedTuple):
    """Chains that are climbing, each for the least weighted sum of the costs.

    The state is a function of the results in their order and of the starts: a chain moves to any
    new result within its reach that is better, no matter who proposed it.

    Args:
        points: The last subnet of each chain; its costs are infinite until it has results.
        weights: ``(n, n_objectives)`` factors of the costs.
        reach: ``(n,)`` how many genes are changed next; 0 before a chain starts and for its last
            step, -1 after it.
    """

    points: Scored
    weights: Values
    reach: NDArray[np.intp]

    @staticmethod
    def starting(rows: Matrix, weights: Values) -> Chains:
        """Return chains that start at ``(n, n_genes)`` canonical genotypes."""
        points = Scored(rows, np.full(weights.shape, np.inf), np.zeros(len(rows)))
        return Chains(points, weights, np.zeros(len(rows), dtype=np.intp))

    def select(self, which: NDArray[np.bool_]) -> Chains:
        """Return some of the chains."""
        chosen = np.flatnonzero(which)
        return Chains(self.points.select(chosen), self.weights[chosen], self.reach[chosen])

    def join(self, other: Chains) -> Chains:
        """Return these chains and others."""
        points = Scored.join([self.points, other.points])
        weights = np.concatenate([self.weights, other.weights])
        return Chains(points, weights, np.concatenate([self.reach, other.reach]))

    @property
    def started(self) -> NDArray[np.bool_]:
        """Which chains have results, ``(n,)``."""
        return np.asarray(np.isfinite(self.points.costs).all(axis=1))

    @property
    def n_proposed(self) -> int:
        """How many subnets are proposed for the next step of all chains."""
        is_last = self.started & (self.reach == 0)
        return int(np.where(is_last, N_LAST, 1).sum())

    def moved(self, space: SearchSpace, new: Scored, *, answered: bool) -> Chains:
        """Return the chains after new results.

        Args:
            space: The search space.
            new: The results, at least one.
            answered: Whether the results of the proposals are among them; a chain without a
                better one then changes half as many genes, or ends.
        """
        started = self.started
        reach = np.where(started, np.maximum(self.reach, 1), 0)
        sums = weighted(self.weights[:, None], new.costs, new.violations)
        near = distances(space, self.points.matrix, new.matrix) <= reach[:, None]
        best = np.where(near, sums, np.inf).argmin(axis=1)
        row = np.arange(len(best))
        better = near[row, best] & (sums[row, best] < self.sums())
        further = np.where(started, np.minimum(2 * reach, _LARGEST_REACH), _FIRST_REACH)
        shorter = np.where(self.reach == 0, -1, self.reach // 2) if answered else self.reach
        points = self.points.replace(better, new.select(best))
        return Chains(points, self.weights, np.where(better, further, shorter))

    def sums(self) -> Values:
        """Return the weighted sum of each point, infinite before it has results, ``(n,)``."""
        return weighted(self.weights, self.points.costs, self.points.violations)

"""Estimates of children, so that only the promising ones are evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.space import Matrix, SearchSpace

_PENALTY = 0.3
# share of the model's error at the parent that is assumed at the child too
_ANCHORING = 0.5


class Scored(NamedTuple):
    """Subnets with their results.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        costs: ``(n, n_objectives)``, smaller is better.
        violations: ``(n,)``, 0 where feasible.
    """

    matrix: Matrix
    costs: Values
    violations: Values

    def select(self, which: NDArray[np.intp] | slice) -> Scored:
        """Return some of the rows."""
        return Scored(self.matrix[which], self.costs[which], self.violations[which])

    def replace(self, which: NDArray[np.bool_], others: Scored) -> Scored:
        """Return the rows with those that are marked taken from as many others."""
        return Scored(
            np.where(which[:, None], others.matrix, self.matrix),
            np.where(which[:, None], others.costs, self.costs),
            np.where(which, others.violations, self.violations),
        )

    @staticmethod
    def join(parts: Sequence[Scored]) -> Scored:
        """Concatenate the rows of several, in order."""
        matrices, costs, violations = zip(*parts, strict=True)
        return Scored(np.concatenate(matrices), np.concatenate(costs), np.concatenate(violations))


@runtime_checkable
class Estimator(Protocol):
    """Estimates children cheaply. Called by `Evolution` once a generation."""

    def __call__(
        self, recent: Scored, parents: Scored, children: Matrix, parent: NDArray[np.intp]
    ) -> tuple[Values, Values]:
        """Estimate the values and violations of children.

        Args:
            recent: The latest results, a few thousand subnets.
            parents: The population.
            children: ``(n, n_genes)`` canonical genotypes.
            parent: ``(n,)`` index of a parent that each child is close to.

        Returns:
            ``(n, n_objectives)`` and ``(n,)``.
        """


class RidgeEstimator:
    """A ridge regression of each objective on the ordered choices of the recent subnets.

    It needs only results. A child's estimate is corrected by half of the model's error at its
    parent: errors of a linear model are shared by neighbours.

    Args:
        space: The search space.
    """

    def __init__(self, space: SearchSpace) -> None:
        steps = [
            (j, choice)
            for j, gene in enumerate(space.genes)
            for choice in sorted({*space.choices[gene.name], *([0] * gene.is_conditional)})[1:]
        ]
        self._columns = np.array([j for j, _ in steps], dtype=np.intp)
        self._thresholds = np.array([choice for _, choice in steps], dtype=np.int16)

    def __call__(
        self, recent: Scored, parents: Scored, children: Matrix, parent: NDArray[np.intp]
    ) -> tuple[Values, Values]:
        """Estimate the values and violations of children."""
        weights = self._fit(self._features(recent.matrix), _targets(recent))
        missed = _targets(parents) - self._features(parents.matrix) @ weights
        estimates = self._features(children) @ weights + _ANCHORING * missed[parent]
        return estimates[:, :-1], np.maximum(estimates[:, -1], 0)

    def _features(self, matrix: Matrix) -> NDArray[np.float32]:
        """``(n, n_steps + 1)``: whether each gene is at least that large, and a constant 1."""
        features = np.ones((len(matrix), len(self._columns) + 1), dtype=np.float32)
        features[:, :-1] = matrix[:, self._columns] >= self._thresholds
        return features

    @staticmethod
    def _fit(features: NDArray[np.float32], targets: Values) -> NDArray[np.float32]:
        gram = (features.T @ features).astype(np.float64)
        gram[np.diag_indices(len(gram) - 1)] += _PENALTY
        weights = np.linalg.solve(gram, features.T @ targets)
        return np.asarray(weights.astype(np.float32))


def _targets(told: Scored) -> Values:
    violations = told.violations
    if np.isinf(violations).any():  # which cannot be learnt
        finite = np.isfinite(violations)
        violations = np.where(finite, violations, 2 * violations[finite].max(initial=0.5))
    return np.column_stack([told.costs, violations])

"""Models of all objectives and constraints, learnt from measurements."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.problem import violations
from optuna_ofa.samplers.evolution._survival import rank_and_crowding
from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.samplers.models._quantity import LearnedQuantity, Prior, QuantityLearner
from optuna_ofa.space import Matrix, SearchSpace

# The time for a proposal grows with the rows that are learnt from, and more than these help little:
# half of them are the best, the others are drawn at random.
_MAX_ROWS = 1000


class Targets(NamedTuple):
    """The rows that models are fitted to.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        costs: ``(n, n_objectives)``, finite, smaller is better.
        excess: ``(n, n_constraints)`` in units of their scales, above 0 where violated, NaN where
            not known.
    """

    matrix: Matrix
    costs: Values
    excess: Values

    @property
    def violations(self) -> Values:
        """The total violation of each row, ``(n,)``; 0 where feasible."""
        return violations(self.excess)

    def select(self, which: NDArray[np.intp]) -> Targets:
        """Return some of the rows."""
        return Targets(self.matrix[which], self.costs[which], self.excess[which])


class Estimates(NamedTuple):
    """What models say of rows.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        costs: ``(n, n_objectives)`` estimates, smaller is better.
        std: ``(n, n_objectives)`` standard deviations of a measurement.
        optimistic: ``(n, n_objectives)`` costs some standard deviations better than estimated.
        excess: ``(n, n_constraints)`` estimates; NaN where none is known.
    """

    matrix: Matrix
    costs: Values
    std: Values
    optimistic: Values
    excess: Values

    @property
    def violations(self) -> Values:
        """The total violation of each row, ``(n,)``; 0 where feasible."""
        return violations(self.excess)

    def select(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Estimates:
        """Return some of the rows."""
        return Estimates._make(part[which] for part in self)

    def joined(self, *others: Estimates) -> Estimates:
        """Return these rows and others."""
        return Estimates._make(np.concatenate(parts) for parts in zip(self, *others, strict=True))


class LearnedModels:
    """An estimate of every column of `Targets`.

    Args:
        features: What the models take.
        objectives: Models of the costs.
        constraints: Models of the constraints; None for one without measured values.
        optimism: How many standard deviations better than estimated a subnet may be.
    """

    def __init__(
        self,
        features: RowFeatures,
        objectives: Sequence[LearnedQuantity],
        constraints: Sequence[LearnedQuantity | None],
        optimism: float,
    ) -> None:
        self._features, self._optimism = features, optimism
        self._objectives, self._constraints = objectives, constraints

    def estimate(self, matrix: Matrix) -> Estimates:
        """Return estimates of canonical rows."""
        features = self._features(matrix)
        found = [model.estimate(matrix, features, self._optimism) for model in self._objectives]
        costs, std, optimistic = (np.stack(parts, axis=1) for parts in zip(*found, strict=True))
        excess = np.full((len(matrix), len(self._constraints)), np.nan)
        for column, model in zip(excess.T, self._constraints, strict=True):
            if model is not None:
                column[:] = model.estimate(matrix, features, 0.0).mean
        return Estimates(matrix, costs, std, optimistic, excess)


class ModelsLearner:
    """Refits models of the columns as more is measured.

    Args:
        space: The subnets.
        objectives: The prior of each objective, None for none; smaller is better.
        constraints: The prior of each constraint, None for none.
        optimism: How many standard deviations better than estimated a subnet may be.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        objectives: Sequence[Prior | None],
        constraints: Sequence[Prior | None],
        optimism: float,
    ) -> None:
        self._features, self._optimism = RowFeatures(space), optimism
        # a minimised positive objective is a cost; a constraint crosses zero
        self._objectives = [
            QuantityLearner(space, self._features, prior=prior, is_cost=True)
            for prior in objectives
        ]
        self._constraints = [
            QuantityLearner(space, self._features, prior=prior, is_cost=False)
            for prior in constraints
        ]

    def fork(self) -> ModelsLearner:
        """Return an independent copy."""
        other = copy.copy(self)
        other._objectives = [copy.copy(learner) for learner in self._objectives]
        other._constraints = [copy.copy(learner) for learner in self._constraints]
        return other

    def unmeasured(self) -> LearnedModels:
        """Return the priors as they are; every objective must have one."""
        objectives = [learner.unmeasured() for learner in self._objectives]
        return LearnedModels(
            self._features,
            [model for model in objectives if model is not None],
            [learner.unmeasured() for learner in self._constraints],
            self._optimism,
        )

    def fit(self, known: Targets, rng: np.random.Generator) -> LearnedModels:
        """Fit models to at least one measured subnet."""
        if len(known.matrix) > _MAX_ROWS:
            known = known.select(_most_telling(known, rng))
        seed = int(rng.integers(2**31))
        return LearnedModels(
            self._features,
            [
                learner.fit(known.matrix, column, seed=seed)
                for learner, column in zip(self._objectives, known.costs.T, strict=True)
            ],
            [
                _fit_known(learner, known.matrix, column, seed)
                for learner, column in zip(self._constraints, known.excess.T, strict=True)
            ],
            self._optimism,
        )


def _fit_known(
    learner: QuantityLearner, matrix: Matrix, column: Values, seed: int
) -> LearnedQuantity | None:
    known = np.isfinite(column)
    if not known.any():
        return learner.unmeasured()
    return learner.fit(matrix[known], column[known], seed=seed)


def _most_telling(known: Targets, rng: np.random.Generator) -> NDArray[np.intp]:
    best = rank_and_crowding(known.costs, known.violations, _MAX_ROWS // 2)
    rest = np.setdiff1d(np.arange(len(known.matrix)), best)
    return np.sort(np.r_[best, rng.choice(rest, _MAX_ROWS - len(best), replace=False)])

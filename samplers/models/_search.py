"""Which subnets to measure next, learnt from those that were: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.fronts import Values
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.samplers.models._candidates import (
    CandidateSource,
    ListedCandidates,
    SearchedCandidates,
)
from optuna_ofa.samplers.models._improvement import pick_improving
from optuna_ofa.samplers.models._models import (
    LearnedModels,
    Measurements,
    ModelsLearner,
    violations,
)
from optuna_ofa.samplers.models._quantity import Prior
from optuna_ofa.space import Matrix, SearchSpace, absent, first_of_each, keys_of

# A model of fewer says nothing.
LEAST_MEASURED = 5


class Proposals(NamedTuple):
    """Subnets to measure, with what they are estimated to be.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes, different ones.
        values: ``(n, n_objectives)``, smaller is better; NaN before there is a model.
        std: ``(n, n_objectives)`` standard deviations, NaN as the values.
        constraints: ``(n, n_constraints)``, above 0 where violated, NaN where unknown.
    """

    matrix: Matrix
    values: Values
    std: Values
    constraints: Values

    @property
    def is_start(self) -> bool:
        """Whether they were made without a model."""
        return bool(np.isnan(self.values).any())

    def select(self, which: NDArray[np.intp] | slice) -> Proposals:
        """Some of the rows."""
        m, v, s, c = self
        return Proposals(m[which], v[which], s[which], c[which])


class SurrogateSearch:
    """Proposes batches of subnets to measure.

    First subnets of all sizes. Then a Gaussian process is fitted to each objective, NSGA-II
    searches on them, and of what it finds those are proposed that may add the most hypervolume
    to the measured front (`pick_improving`).

    Args:
        space: What is searched.
        objectives: What is known beforehand of each objective, None for nothing; smaller is
            better.
        constraints: The same of each constraint.
        n_startup_trials: How many are measured before models are used.
        optimism: How many standard deviations better than its estimate a subnet is taken to be.
        n_searched: How many subnets are estimated for a batch.
        pool: ``(n, n_genes)`` the only subnets that may be proposed; None is the whole space.

    Raises:
        InvalidArgumentError: If ``n_startup_trials`` or ``n_searched`` is below 1, ``optimism``
            negative, or the pool empty.
        InvalidSubnetError: If a row of the pool is not of the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        objectives: Sequence[Prior | None],
        constraints: Sequence[Prior | None] = (),
        n_startup_trials: int,
        optimism: float,
        n_searched: int,
        pool: Matrix | None = None,
    ) -> None:
        numbers = {
            "n_startup_trials": (n_startup_trials, 1),
            "n_searched": (n_searched, 1),
            "optimism": (optimism, 0),
        }
        for name, (value, least) in numbers.items():
            if not value >= least:
                raise InvalidArgumentError(f"`{name}` must be at least {least}, but got {value}.")
        if pool is not None:
            pool = space.canonicalize(space.check(pool))
            if len(pool) == 0:
                raise InvalidArgumentError("`pool` must hold at least one subnet, but got none.")
        self.space = space
        self._pool_size = None if pool is None else len(np.unique(pool, axis=0))
        self.n_startup_trials = n_startup_trials
        self._optimism = optimism
        self._n_objectives, self._n_constraints = len(objectives), len(constraints)
        self._learner = ModelsLearner(space, objectives=objectives, constraints=constraints)
        self._source = _source(space, pool, n_searched)

    def propose(
        self, known: Measurements, pending: Matrix, taken: Matrix, n: int, rng: np.random.Generator
    ) -> Proposals:
        """Subnets to measure, at most ``n``, the most promising first.

        Args:
            known: What was measured.
            pending: ``(m, n_genes)`` what is being measured.
            taken: ``(k, n_genes)`` what must not be proposed beside these, such as failed ones.
            n: How many.
            rng: Source of randomness.

        Raises:
            SearchSpaceExhaustedError: If none is left.
        """
        taken = np.concatenate([known.matrix, pending, taken])
        if not self.is_started(len(known.matrix), len(pending)):
            return self._start(taken, len(known.matrix) + len(pending), n, rng)
        models = self._learner.fit(known, rng)
        found = self._source.candidates(models, known.matrix, rng)
        # more at random where what is good by its estimates is measured already
        found = self._filled(found[absent(found, taken)], taken, n, rng)
        values, constraints = models.values(found), models.constraints(found)
        std = models.std(found)
        excess = violations(constraints)
        picked = np.flatnonzero(excess == 0)
        if len(picked):
            best = self._improving(models, known, pending, values[picked], std[picked], n)
            picked = picked[best]
        nearest = np.flatnonzero(excess > 0)
        nearest = nearest[np.argsort(excess[nearest], kind="stable")]
        picked = np.r_[picked, nearest][:n]
        return Proposals(found[picked], values[picked], std[picked], constraints[picked])

    def is_started(self, n_known: int, n_pending: int) -> bool:
        """Whether enough is measured or being measured to go by models."""
        return n_known >= LEAST_MEASURED and n_known + n_pending >= self.n_startup_trials

    def _improving(
        self,
        models: LearnedModels,
        known: Measurements,
        pending: Matrix,
        values: Values,
        std: Values,
        n: int,
    ) -> NDArray[np.intp]:
        feasible = known.violations == 0
        pending = pending[violations(models.constraints(pending)) == 0]
        return pick_improving(
            values,
            std,
            # without a feasible one the scale of all
            known.values[feasible] if feasible.any() else known.values,
            models.values(pending),
            min(n, len(values)),
            optimism=self._optimism,
        )

    def _start(self, taken: Matrix, n_done: int, n: int, rng: np.random.Generator) -> Proposals:
        rows = self._source.start(max(self.n_startup_trials - n_done, n), rng)
        rows = rows[first_of_each(keys_of(rows))]
        rows = self._filled(rows[absent(rows, taken)], taken, n, rng)[:n]
        values = np.full((len(rows), self._n_objectives), np.nan)
        return Proposals(rows, values, values, np.full((len(rows), self._n_constraints), np.nan))

    def _filled(self, rows: Matrix, taken: Matrix, n: int, rng: np.random.Generator) -> Matrix:
        """At least ``n`` subnets, if there are so many.

        Raises:
            SearchSpaceExhaustedError: If none is left.
        """
        if len(rows) < n:
            others = self._source.others(n - len(rows), np.concatenate([taken, rows]), rng)
            rows = np.concatenate([rows, others])
        if len(rows) == 0:
            raise SearchSpaceExhaustedError(
                f"All {self.space.n_subnets} subnets of {self.space} have been evaluated, have "
                f"failed, or are being evaluated."
                if self._pool_size is None
                else f"All {self._pool_size} subnets of `pool` have been evaluated, have failed, "
                f"or are being evaluated."
            )
        return rows


def _source(space: SearchSpace, pool: Matrix | None, n_searched: int) -> CandidateSource:
    """A list where there is a pool, or the space is so small that a search would see it all."""
    if pool is None and space.n_subnets > n_searched:
        return SearchedCandidates(space, n_searched)
    matrix = space.enumerate() if pool is None else pool
    return ListedCandidates(matrix, CostPredictor("n_macs", space).predict(matrix))

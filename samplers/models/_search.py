"""The choice of the next subnets to measure, learnt from measurements."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.fronts import Values
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import Evaluated, Orientation
from optuna_ofa.samplers.models._candidates import (
    CandidateSource,
    ListedCandidates,
    SearchedCandidates,
)
from optuna_ofa.samplers.models._improvement import pick_along, pick_improving
from optuna_ofa.samplers.models._models import Estimates, LearnedModels, ModelsLearner, Targets
from optuna_ofa.samplers.models._quantity import Prior
from optuna_ofa.space import ChoiceTable, Matrix, SearchSpace, absent, first_of_each, keys_of

# Spaces of at most so many subnets are listed.
_LISTED = 10_000
# A model of fewer measurements is useless.
LEAST_MEASURED = 5
# With fewer, standard deviations of a model are a poor guide to hypervolume gains.
_TRUSTED = 40
# The least that is spread along the front at once; smaller choices are parts of such a batch.
_AT_LEAST_ALONG = 5
# By how many standard deviations estimates are assumed to be better, so that a front of noisy
# estimates keeps its uncertain ends.
_HOPE = 1.0


class SurrogateSearch:
    """Proposes batches of subnets to measure.

    First subnets of all sizes. Then a Gaussian process is fitted to each objective, NSGA-II
    searches on optimistic estimates, and of the subnets found, those are proposed that may add the
    most hypervolume to the measured front (`pick_improving`). If every objective has a prior, which
    locates the front, the first 40 are spread along the front of corrected estimates, one standard
    deviation better, its ends included (`pick_along`).

    Args:
        space: What is searched.
        orientation: How values become costs.
        objectives: A prior of each objective, smaller is better; None for none.
        scales: ``(n_constraints,)`` the scale of the excess of each constraint.
        constraints: A prior of each constraint in its scale; None for none.
        n_startup_trials: How many are measured before models are used.
        optimism: How many standard deviations better than its estimate a subnet is assumed to be.
        n_searched: How many subnets are estimated for a batch.
        pool: ``(n, n_genes)`` the only subnets that may be proposed; None is the whole space.

    Raises:
        InvalidArgumentError: If ``n_startup_trials`` or ``n_searched`` is below 1, ``optimism`` is
            negative, or the pool is empty.
        InvalidSubnetError: If a row of the pool is not of the space.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        orientation: Orientation,
        objectives: Sequence[Prior | None],
        scales: Values | None = None,
        constraints: Sequence[Prior | None] = (),
        n_startup_trials: int,
        optimism: float,
        n_searched: int,
        pool: Matrix | None = None,
    ) -> None:
        if pool is not None:
            pool = space.canonicalize(space.check(pool))
            if len(pool) == 0:
                raise InvalidArgumentError("`pool` must hold at least one subnet, but got none.")
        self.space = space
        self._pool_size = None if pool is None else len(np.unique(pool, axis=0))
        self.n_startup_trials = n_startup_trials
        self._orientation = orientation
        self._scales = np.ones(len(constraints)) if scales is None else scales
        priors = [objectives[i] for i in orientation.order]
        self._has_priors = all(prior is not None for prior in priors)
        self._learner = ModelsLearner(
            space, objectives=priors, constraints=constraints, optimism=optimism
        )
        self._source = _source(space, pool, n_searched)

    def fork(self) -> SurrogateSearch:
        """Return an independent copy, which `propose` changes alone."""
        other = copy.copy(self)
        other._learner, other._source = self._learner.fork(), copy.copy(self._source)
        return other

    def propose(
        self, known: Evaluated, pending: Matrix, taken: Matrix, n: int, rng: np.random.Generator
    ) -> Evaluated:
        """Return subnets to measure, at most ``n``, the most promising first.

        Args:
            known: The measured subnets, with finite values.
            pending: ``(m, n_genes)`` subnets that are being measured.
            taken: ``(k, n_genes)`` other subnets that must not be proposed, such as failed ones.
            n: How many.
            rng: Source of randomness.

        Returns:
            Predictions; values and standard deviations are NaN before there is a model.

        Raises:
            SearchSpaceExhaustedError: If none is left.
        """
        taken = np.concatenate([known.matrix, pending, taken])
        if not self.is_started(len(known.matrix), len(pending)):
            return self._start(taken, len(known.matrix) + len(pending), n, rng)
        costs = self._orientation.costs(known.values)
        targets = Targets(known.matrix, costs, known.excess / self._scales)
        models = self._learner.fit(targets, rng)
        found = self._source.candidates(models, known.matrix, taken, rng)
        if len(found.matrix) < n:  # those with good estimates are already measured
            rows = self._filled(found.matrix, taken, n, rng)
            found = found.joined(models.estimate(rows[len(found.matrix) :]))
        violated = found.violations
        picked = np.flatnonzero(violated == 0)
        if len(picked):
            picked = picked[self._best(models, targets, pending, found.select(picked), n)]
        nearest = np.flatnonzero(violated > 0)
        nearest = nearest[np.argsort(violated[nearest], kind="stable")]
        found = found.select(np.r_[picked, nearest][:n])
        return Evaluated.of(
            found.matrix,
            self._orientation.values(found.costs),
            found.excess * self._scales,
            std=self._orientation.unsorted(found.std),
        )

    def is_started(self, n_known: int, n_pending: int) -> bool:
        """Return whether enough subnets are or are being measured to use models."""
        return n_known >= LEAST_MEASURED and n_known + n_pending >= self.n_startup_trials

    def _best(
        self, models: LearnedModels, known: Targets, pending: Matrix, found: Estimates, n: int
    ) -> NDArray[np.intp]:
        n = min(n, len(found.matrix))
        n_along = self._n_along(len(known.matrix), n)
        if (known.violations == 0).any():  # without a feasible one the scale of all
            known = known.select(np.flatnonzero(known.violations == 0))
        running = models.estimate(pending)
        believed = running.costs[running.violations == 0]
        along = np.empty(0, dtype=np.intp)
        if n_along:
            # estimates, not measurements, of known subnets: a lucky measurement would hide its
            # neighbours
            others = np.concatenate([models.estimate(known.matrix).costs, believed])
            size = min(max(n_along, _AT_LEAST_ALONG), len(found.matrix))
            along = pick_along(found.costs - _HOPE * found.std, others, size)
            if n_along < size:  # otherwise each choice of one subnet would be an end
                done = len(known.matrix) + len(pending)
                along = np.roll(along, -(done % size))[:n_along]
        left = np.setdiff1d(np.arange(len(found.matrix)), along)
        believed = np.concatenate([believed, found.costs[along]])
        rest = found.select(left)
        improving = pick_improving(
            rest.costs, rest.optimistic, rest.std, known.costs, believed, n - len(along)
        )
        return np.concatenate([along, left[improving]])

    def _n_along(self, n_known: int, n: int) -> int:
        """Return how many of ``n`` are spread along the front."""
        return n if self._has_priors and n_known < _TRUSTED else 0

    def _start(self, taken: Matrix, n_done: int, n: int, rng: np.random.Generator) -> Evaluated:
        if self._has_priors:
            rows = self._along_expected(taken, n, rng)
        else:
            rows = self._source.start(max(self.n_startup_trials - n_done, n), rng)
            rows = rows[first_of_each(keys_of(rows))]
        rows = self._filled(rows[absent(rows, taken)], taken, n, rng)[:n]
        unknown = np.full((len(rows), len(self._orientation.signs)), np.nan)
        return Evaluated.of(rows, unknown, np.full((len(rows), len(self._scales)), np.nan))

    def _along_expected(self, taken: Matrix, n: int, rng: np.random.Generator) -> Matrix:
        """Return subnets along the front that priors alone expect."""
        models = self._learner.unmeasured()
        found = self._source.candidates(models, taken, taken, rng)
        found = found.select(found.violations == 0)
        others = models.estimate(taken).costs
        return found.matrix[pick_along(found.costs, others, min(n, len(found.matrix)))]

    def _filled(self, rows: Matrix, taken: Matrix, n: int, rng: np.random.Generator) -> Matrix:
        """Return at least ``n`` subnets, if there are so many.

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
    """Return a list if there is a pool, or if the space is small."""
    if pool is None and space.n_subnets > _LISTED:
        return SearchedCandidates(space, n_searched)
    matrix = space.enumerate() if pool is None else pool
    return ListedCandidates(matrix, _sizes(space, matrix))


def _sizes(space: SearchSpace, matrix: Matrix) -> Values:
    """Return multiply-adds, or in a plain table how far choices are from the first, ``(n,)``."""
    if isinstance(space.table, ChoiceTable):
        steps = matrix - np.array([choices[0] for choices in space.choices.values()])
        spans = np.array([np.ptp(choices) for choices in space.choices.values()])
        return np.asarray((np.maximum(steps, 0) / np.maximum(spans, 1)).sum(axis=1))
    return CostPredictor("n_macs", space).predict(matrix)

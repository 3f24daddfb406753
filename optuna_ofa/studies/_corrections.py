"""Predictors that measurements of a study correct."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._plausible import possible_range
from optuna_ofa.predictors import (
    AccuracyPredictor,
    ConfidenceBound,
    MissingPredictor,
    Predictor,
    facts_of,
)
from optuna_ofa.problem import CORRECTED_WITH, Evaluated, Metric, Problem
from optuna_ofa.samplers import LearnedQuantity, QuantityLearner
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.studies._rounds import column

# fewer measurements correct nothing
_LEAST_MEASURED = 3
_N_ROWS = 64  # of a block; the last bits of a product of matrices depend on its size


class CorrectedPredictor(Predictor):
    """The predictions of another predictor, corrected by measurements of some subnets.

    Args:
        metric: What is predicted.
        space: The subnets.
        learned: The correction.
        predictor: The other predictor; None for a metric that had none.
        n: Number of measurements.
    """

    def __init__(
        self,
        metric: Metric,
        space: SearchSpace,
        learned: LearnedQuantity,
        predictor: Predictor | None,
        n: int,
    ) -> None:
        self.metric, self.space = metric.name, space
        self._learned, self._predictor = learned, predictor
        facts = {} if predictor is None else facts_of(predictor)
        self.metadata = {**facts, CORRECTED_WITH: n}
        low, high = possible_range(metric.name)
        self._range = np.nextafter(low, np.inf), high

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return corrected predictions, ``(n,)``."""
        return np.clip(_in_blocks(self._learned.mean, matrix), *self._range)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations of a measurement, ``(n,)``."""
        return _in_blocks(self._learned.std, matrix)

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return what the other predictor does."""
        if self._predictor is None:
            return super().extrapolates(matrix)
        return self._predictor.extrapolates(matrix)


def _in_blocks(
    function: Callable[[Matrix], NDArray[np.float64]], matrix: Matrix
) -> NDArray[np.float64]:
    """Return what a function returns for blocks of one size: equal bits however rows are batched.

    An interrupted refinement thus continues exactly where it was.
    """
    n = len(matrix)
    if n == 0:
        return function(matrix)
    rows = matrix[np.minimum(np.arange(-(-n // _N_ROWS) * _N_ROWS), n - 1)]
    blocks = (function(rows[start : start + _N_ROWS]) for start in range(0, n, _N_ROWS))
    return np.concatenate(list(blocks))[:n]


def corrected_problem(
    problem: Problem, measured: Evaluated, metrics: Sequence[str], *, seed: int
) -> Problem:
    """Return the problem with predictors that are corrected by measurements.

    It is the same one where there are too few measurements for any correction.

    Args:
        problem: The problem.
        measured: Measured subnets.
        metrics: The metrics that were measured.
        seed: Seed of the fits.
    """
    predictors = dict(problem.predictors)
    for name in metrics:
        values = column(problem, measured, name)
        known = np.isfinite(values)
        if known.sum() >= _LEAST_MEASURED:
            rows = measured.matrix[known]
            predictors[name] = _corrected(problem, name, rows, values[known], seed)
    if predictors == problem.predictors:
        return problem
    return Problem(
        space=problem.space,
        objectives=list(problem.objective_metrics.values()),
        constraints=problem.constraints,
        predictors=predictors,
        own=[metric for metric in problem.metrics.values() if not metric.is_built_in],
        board=problem.board,
    )


def _corrected(
    problem: Problem, name: str, matrix: Matrix, values: NDArray[np.float64], seed: int
) -> Predictor:
    """Return the corrected predictor of a metric, as cautious as the uncorrected one."""
    predictor = problem.predictors[name]
    k = predictor.k if isinstance(predictor, ConfidenceBound) else 0.0
    inner = predictor.predictor if isinstance(predictor, ConfidenceBound) else predictor
    prior = None if isinstance(inner, MissingPredictor) else inner
    found: Predictor
    if name == "top1" and prior is not None and np.ptp(values) > 0 and values.max() > 1:
        facts = {**facts_of(prior), CORRECTED_WITH: len(values)}
        found = AccuracyPredictor.fit(
            problem.space, matrix, values, prior=prior, seed=seed, metadata=facts
        )
    else:
        learner = QuantityLearner(
            problem.space,
            prior=None if prior is None else prior.predict,
            is_cost=not problem.metrics[name].maximize,
        )
        learned = learner.fit(matrix, values, seed=seed)
        metric = problem.metrics[name]
        found = CorrectedPredictor(metric, problem.space, learned, prior, len(values))
    return ConfidenceBound(found, k) if k else found

"""Estimates of children from the predictors of a problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.problem import Problem, violations
from optuna_ofa.samplers.evolution._estimates import RidgeEstimator, Scored
from optuna_ofa.space import Matrix


class PredictorEstimator:
    """Estimates by the predictors' local models; an `Estimator` of `EvolutionarySampler`.

    An objective whose predictor has none is estimated from results (`RidgeEstimator`); a constraint
    on another such metric counts as satisfied.

    Args:
        problem: The problem whose predictors are used.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._ridge = RidgeEstimator(problem.space)

    def __call__(
        self, recent: Scored, parents: Scored, children: Matrix, parent: NDArray[np.intp]
    ) -> tuple[Values, Values]:
        """Estimate the values and violations of children."""
        problem = self._problem
        models = {m: problem.predictors[m].local_model(parents.matrix) for m in problem.metrics}
        estimates = {m: f(children, parent) for m, f in models.items() if f is not None}
        if any(m not in estimates for m in problem.objectives):
            values, _ = self._ridge(recent, parents, children, parent)
            values = problem.orientation.values(values)
            for m, column in zip(problem.objectives, values.T, strict=True):
                estimates.setdefault(m, column)
        excess = [
            problem.excess(m, estimates[m]) if m in estimates else np.zeros(len(children))
            for m in problem.constraints
        ]
        constraints = np.array(excess).reshape(len(excess), len(children)).T
        values = np.stack([estimates[m] for m in problem.objectives], axis=1)
        costs = problem.orientation.costs(values)
        return costs, violations(constraints, problem.scales)

"""Priors of objectives and constraints: the values that are expected before a measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import PredictionError
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem import Problem
from optuna_ofa.space import Matrix


@dataclass(frozen=True)
class PredictorPrior:
    """A predictor whose values are smaller where they are better.

    Args:
        predictor: The predictor.
        sign: -1 where the objective is maximised, otherwise 1.
    """

    predictor: Predictor
    sign: float

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n,)`` predictions.

        Raises:
            PredictionError: If they are not a finite number for each row.
        """
        values = np.asarray(self.predictor.predict(matrix), dtype=float)
        if values.shape != (len(matrix),) or not np.isfinite(values).all():
            raise PredictionError(
                f"The predictor of `{self.predictor.metric}` must return {len(matrix)} finite "
                f"numbers, but returned an array of shape {values.shape} with "
                f"{int((~np.isfinite(values)).sum())} that are not finite."
            )
        return self.sign * values


@dataclass(frozen=True)
class ExcessPrior:
    """The predicted excess of a constraint, in units of its bound.

    Args:
        problem: The problem.
        name: The constrained metric.
    """

    problem: Problem
    name: str

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n,)`` predictions."""
        problem, at = self.problem, [*self.problem.constraints].index(self.name)
        excess = problem.excess(self.name, problem.predict(self.name, matrix))
        return np.asarray(excess / problem.scales[at])

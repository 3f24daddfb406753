"""Priors of objectives and constraints: the values that are expected before a measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import PredictionError
from optuna_ofa.predictors import Predictor, PriorPredictor
from optuna_ofa.problem import Problem
from optuna_ofa.space import Family, Matrix, SearchSpace


@dataclass(frozen=True)
class PredictorPrior:
    """A predictor whose values are smaller where they are better.

    Args:
        predictor: The predictor.
        sign: -1 where the objective is maximised, otherwise 1.
        mapped: The same for subnets of another family; None if it is for these.
    """

    predictor: Predictor
    sign: float
    mapped: PriorPredictor | None = None

    @classmethod
    def of(cls, predictor: Predictor, sign: float, space: SearchSpace) -> PredictorPrior:
        """Return the prior of subnets of a space; see `require_prior`."""
        if predictor.space.table == space.table:
            return cls(predictor, sign)
        return cls(predictor, sign, PriorPredictor(predictor, space, metric=predictor.metric))

    def _values(self, matrix: Matrix) -> NDArray[np.float64]:
        if self.mapped is not None:
            return self.mapped(matrix)[:, 0]
        return np.asarray(self.predictor.predict(matrix), dtype=float)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n,)`` predictions.

        Raises:
            PredictionError: If they are not a finite number for each row.
        """
        values = self._values(matrix)
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


def require_prior(predictor: Predictor, space: SearchSpace) -> None:
    """Refuse a predictor that cannot be a prior in a space; warn if it is for another family.

    One for other weights is a prior if the families have the same architecture and genes.

    Raises:
        FamilyMismatchError: If architectures or genes differ.
        InvalidArgumentError: If a choice is not covered; another family may lack resolutions.
    """
    other = predictor.space.table
    if other == space.table or not (isinstance(other, Family) and isinstance(space.table, Family)):
        predictor.require(space)
        return
    PriorPredictor(predictor, space, metric=predictor.metric)
    warn(
        f"The prior of {predictor.metric!r} is for {other.name}, not for {space.name}, which has "
        f"the same genes: it is taken to be about right, and measurements correct it."
    )

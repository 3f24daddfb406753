"""A placeholder for the predictor of a metric without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.space import Matrix, SearchSpace


class MissingPredictor(Predictor):
    """A placeholder for a missing predictor: trials can be read, but nothing is predicted.

    Args:
        metric: What it would predict.
        space: The study's space.
        reason: The message of the error: what is missing, and how to give it.
        is_measured: Whether the metric is only ever measured, so that it never has a predictor.
    """

    def __init__(
        self, metric: str, space: SearchSpace, reason: str, *, is_measured: bool = False
    ) -> None:
        self.metric: str = metric
        self.space: SearchSpace = space
        self.reason: str = reason
        self.is_measured: bool = is_measured

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Refuse to predict.

        Raises:
            InvalidArgumentError: Always, with the reason.
        """
        raise InvalidArgumentError(self.reason)

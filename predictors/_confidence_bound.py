"""Pessimistic predictions, lower where the predictor is uncertain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import NonNegativeFloat, checked
from optuna_ofa.exceptions import InvalidArgumentError, PredictionError
from optuna_ofa.predictors._base import Direction, LocalModel, Predictor
from optuna_ofa.space import Matrix, SearchSpace


class ConfidenceBound(Predictor):
    """The pessimistic bound of the confidence interval of another predictor.

    A maximised metric is predicted ``k`` standard deviations lower, a cost ``k`` standard
    deviations higher. A search on mean predictions tends to find subnets that the predictor
    overrates; a search on this bound avoids uncertain ones.

    Args:
        predictor: A predictor with standard deviations.
        k: Number of standard deviations.

    Raises:
        InvalidArgumentError: If ``k`` is negative or not finite, or the predictor has no
            standard deviations.
    """

    @checked
    def __init__(self, predictor: Predictor, k: NonNegativeFloat = 1.0) -> None:
        space = predictor.space
        if predictor.predict_std(space.to_matrix([space.smallest()])) is None:
            raise InvalidArgumentError(
                f"`predictor` must know its standard deviations, but that of "
                f"`{predictor.metric}`, a {type(predictor).__name__}, has none."
            )
        self.metric: str = predictor.metric
        self.space: SearchSpace = space
        self.predictor: Predictor = predictor
        self.k: float = float(k)

    @property
    def direction(self) -> Direction:
        """The space of the predictor."""
        return self.predictor.direction

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the bounds, ``(n,)``.

        Raises:
            PredictionError: If a standard deviation is unknown.
        """
        return np.asarray(self.predictor.predict(matrix) + self._margins(matrix))

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return where the other predictor extrapolates, ``(n,)``."""
        return self.predictor.extrapolates(matrix)

    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        """Return those of the other predictor."""
        return self.predictor.extrapolation_reasons(matrix)

    def terms(self) -> str:
        """Return that it is no sum: standard deviations are not."""
        return "predictions are lowered by standard deviations (`caution`), which do not add up"

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the predictor's local model, with the standard deviation of the anchor."""
        model = self.predictor.local_model(anchors)
        if model is None:
            return None
        margins = self._margins(anchors)
        return lambda matrix, anchor: model(matrix, anchor) + margins[anchor]

    def _margins(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the offsets that are added to the predictions, ``(n,)``."""
        std = self.predictor.predict_std(matrix)
        if std is None or not np.isfinite(std).all():
            raise PredictionError(
                f"The predictor of `{self.metric}` must know the standard deviation of each "
                f"prediction, but does not."
            )
        return np.asarray((-self.k if self.direction == "maximize" else self.k) * std)

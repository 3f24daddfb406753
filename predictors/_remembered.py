"""Predictions that several studies share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.space import Matrix, SearchSpace, keys_of


class SharedPredictor(Predictor):
    """A cache of another predictor's predictions; about 100 bytes a subnet.

    Args:
        predictor: The other predictor.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.metric: str = predictor.metric
        self.space: SearchSpace = predictor.space
        self._predictor = predictor
        self._known: dict[int, float] = {}

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return known predictions, and predict the other subnets."""
        rows = np.asarray(matrix, dtype=np.int16)
        keys = keys_of(rows).tolist()
        # each once
        new = {key: i for i, key in enumerate(keys) if key not in self._known}
        if new:
            values = np.asarray(self._predictor.predict(rows[list(new.values())]))
            if values.shape != (len(new),):  # the caller reports the error
                return values
            self._known |= zip(new, values.tolist(), strict=True)
        return np.array([self._known[key] for key in keys], dtype=float)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Return the other predictor's, uncached: they are needed only for fronts."""
        return self._predictor.predict_std(matrix)

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return what the other predictor says, uncached: it is needed only for fronts."""
        return self._predictor.extrapolates(matrix)

    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        """Return those of the other predictor."""
        return self._predictor.extrapolation_reasons(matrix)

    def terms(self) -> Terms | str:
        """Return those of the other predictor."""
        return self._predictor.terms()

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the local model of the other predictor."""
        return self._predictor.local_model(anchors)

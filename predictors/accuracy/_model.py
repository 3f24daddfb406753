"""The interface of the models behind an accuracy predictor."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.space import Matrix


class AccuracyModel(abc.ABC):
    """A function from genotypes to top-1 accuracies. Called by `AccuracyPredictor`."""

    @abc.abstractmethod
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Return standard deviations in points, ``(n,)``; None if the model has none."""
        return None

    def familiar(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which subnets were known of before the fitted rows, ``(n,)``."""
        return np.zeros(len(matrix), dtype=bool)

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the same as `Predictor.local_model`."""
        return None

    def terms(self) -> Terms | str:
        """Return the same as `Predictor.terms`."""
        return f"a {type(self).__name__} is not linear in the choices of a subnet"

    @abc.abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers, with the name of the model as ``kind``."""

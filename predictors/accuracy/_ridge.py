"""Ridge regression on the ordered choices of a subnet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import array, covariance, number, of_metric
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._thermometer import MOST, Thermometer
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.space import Matrix, SearchSpace

# The penalties that a fit chooses from by default.
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class RidgeModel(AccuracyModel):
    """Bayesian ridge regression on `Thermometer` features.

    Args:
        space: The space of the matrices.
        weights: ``(n_features,)`` in points.
        mean: ``(n_features,)`` mean of the features in the fit.
        top1: Mean accuracy in the fit, in percent.
        noise: Standard deviation of the residuals in points.
        covariance: ``(n_features, n_features)`` inverse of the regularised Gram matrix.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        weights: NDArray[np.float64],
        mean: NDArray[np.float64],
        top1: float,
        noise: float,
        covariance: NDArray[np.float64],
    ) -> None:
        self._features = Thermometer(space)
        self._weights, self._mean, self._top1 = weights, mean, top1
        self._noise, self._covariance = noise, covariance

    @classmethod
    def fit(
        cls, space: SearchSpace, rows: MeasuredRows, penalty: float | None = None
    ) -> RidgeModel:
        """Fit by least squares with a penalty on the squared weights.

        A penalty of None takes the one with the lowest leave-one-out error.
        """
        top1 = rows.top1
        features = Thermometer(space)(rows.matrix)
        mean, level = features.mean(axis=0), float(top1.mean())
        centred = features - mean
        if penalty is None:
            penalty = best_penalty(centred, top1 - level)
        gram = centred.T @ centred + penalty * np.eye(features.shape[1])
        covariance = np.linalg.inv(gram)
        weights = covariance @ (centred.T @ (top1 - level))
        residuals = top1 - level - centred @ weights
        leverage = np.einsum("ij,jk,ik->i", centred, covariance, centred) + 1 / len(top1)
        # The error of a left-out row is residual / (1 - leverage), its variance
        # noise^2 / (1 - leverage). Residuals over degrees of freedom are too few with few rows.
        noise = float(np.sqrt(np.mean(residuals**2 / np.maximum(1 - leverage, 1e-9))))
        return cls(
            space=space, weights=weights, mean=mean, top1=level, noise=noise, covariance=covariance
        )

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        # no matrix product, because its last bits depend on the number of rows
        points = np.sum((self._features(matrix) - self._mean) * self._weights, axis=1)
        return np.asarray(self._top1 + points)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations in points, larger away from the subnets it was fitted on."""
        centred = self._features(matrix) - self._mean
        leverage = np.einsum("ij,jk,ik->i", centred, self._covariance, centred)
        return np.asarray(self._noise * np.sqrt(1 + leverage))

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the model itself, which is linear."""
        return lambda matrix, _: self.predict(matrix)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers; the covariance has ten significant digits."""
        return {
            "kind": "ridge",
            "top1": self._top1,
            "noise": self._noise,
            "weights": self._weights.tolist(),
            "mean": self._mean.tolist(),
            "covariance": [float(f"{v:.10g}") for v in self._covariance.ravel()],
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> RidgeModel:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If numbers are missing or their count does not fit the space.
        """
        n = Thermometer(space).n_features
        try:
            mean = array(data["mean"], "`mean`", (n,))
            if mean.min() < 0 or mean.max() > MOST:
                raise FormatError(
                    f"`mean` must be from 0 to {MOST}, but has {mean.min():g} to {mean.max():g}."
                )
            return cls(
                space=space,
                weights=array(data["weights"], "`weights`", (n,)),
                mean=mean,
                top1=of_metric("top1", data["top1"], "`top1`"),
                noise=number(data["noise"], "`noise`", least=0, most=100),
                covariance=covariance(data["covariance"], "`covariance`", n),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold the numbers of a ridge model, but: {error!r:.300}."
            ) from error


def best_penalty(centred: NDArray[np.float64], targets: NDArray[np.float64]) -> float:
    """Return the penalty whose fit predicts each row best from all others, in closed form.

    With the hat matrix H the error of a left-out row is its residual over 1 - H_ii; the mean
    adds another 1/n.
    """
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    errors = []
    for penalty in _PENALTIES:
        shrink = s**2 / (s**2 + penalty)
        residuals = targets - u @ (shrink * (u.T @ targets))
        leverage = (u**2) @ shrink + 1 / len(targets)
        errors.append(float(np.mean((residuals / np.maximum(1 - leverage, 1e-9)) ** 2)))
    return _PENALTIES[int(np.argmin(errors))]

"""Ridge regression on the ordered choices of a subnet."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa._values import array, of_metric
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._products import RowProduct, padded
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.predictors._triangle import packed, unpacked
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]

_MOST_NOISE = 100  # points
_LEAST = 1e-9  # standard deviation with a logarithm, in points
_N_PRIOR = 10.0  # number of rows that the mean noise of all levels counts as

# The penalties that a fit chooses from by default.
_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class RidgeModel(AccuracyModel):
    """Bayesian ridge regression on `Thermometer` features.

    Args:
        space: The space of the matrices.
        weights: ``(n_features,)`` in points.
        mean: ``(n_features,)`` mean of the features in the fit.
        top1: Mean accuracy in the fit, in percent.
        noise: ``(n_levels,)`` standard deviations of the residuals in points, see
            `Thermometer.shares`.
        root: ``(n_features, n_features)`` lower Cholesky factor of the covariance of the weights,
            in points.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        weights: Vector,
        mean: Vector,
        top1: float,
        noise: Vector,
        root: Vector,
    ) -> None:
        self._features = Thermometer(space)
        self._weights, self._mean, self._top1 = weights, mean, top1
        self._noise, self._root = noise, root
        self._spread = RowProduct(root)

    @classmethod
    def fit(
        cls, space: SearchSpace, rows: MeasuredRows, penalty: float | None = None
    ) -> RidgeModel:
        """Fit by least squares with a penalty on the squared weights.

        Where there are several levels of the noise, the residuals of a first fit determine them,
        and the second one weights each row by its level. A penalty of None takes the one with the
        lowest leave-one-out error.
        """
        thermometer = Thermometer(space)
        features, shares = thermometer(rows.matrix), thermometer.shares(rows.matrix)
        found = _least_squares(features, rows.top1, np.ones(len(features)), penalty)
        if shares.shape[1] > 1:
            ratios = np.exp(shares @ np.log(_noise(found, shares) / max(found.noise, _LEAST)))
            found = _least_squares(features, rows.top1, ratios**-2, penalty)
        return cls(
            space=space,
            weights=found.weights,
            mean=found.mean,
            top1=found.top1,
            noise=_noise(found, shares),
            root=_as_in_files(np.linalg.cholesky(found.covariance).astype(np.float32)),
        )

    def predict(self, matrix: Matrix) -> Vector:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        level, of_genes = self._linear
        return np.asarray(level + self._features.linear(matrix, self._weights, of_genes))

    @cached_property
    def _linear(self) -> tuple[float, Vector]:
        level = self._top1 - float(self._mean @ self._weights)
        return level, self._features.parts_of(self._weights)

    def predict_std(self, matrix: Matrix) -> Vector:
        """Return standard deviations in points, larger away from the subnets it was fitted on."""
        centred = padded(self._features(matrix) - self._mean)
        variances = np.square(self._spread(centred)).sum(1)[: len(matrix)]
        noise = np.exp(self._features.shares(matrix) @ np.log(np.maximum(self._noise, _LEAST)))
        return np.asarray(np.sqrt(variances + noise**2))

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the model itself, which is linear."""
        return lambda matrix, _: self.predict(matrix)

    def terms(self) -> Terms:
        """Return the sum: the weights of choices, two functions of costs, and the resolution."""
        constant = self._top1 - float(self._mean @ self._weights)
        return self._features.weighted(self._weights, constant)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "kind": "ridge",
            "top1": self._top1,
            "noise": self._noise.tolist(),
            "weights": self._weights.tolist(),
            "mean": self._mean.tolist(),
            "root": encode_array(packed(self._root).astype(np.float32)),
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> RidgeModel:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If numbers are missing or their count does not fit the space.
        """
        thermometer = Thermometer(space)
        n = thermometer.n_features
        try:
            mean = array(data["mean"], "`mean`", (n,))
            thermometer.require_mean(mean)
            noise = array(data["noise"], "`noise`", (thermometer.law.n_levels,))
            if noise.min() < 0 or noise.max() > _MOST_NOISE:
                raise FormatError(
                    f"`noise` must be from 0 to {_MOST_NOISE} points, but has {noise.min():g} to "
                    f"{noise.max():g}."
                )
            return cls(
                space=space,
                weights=array(data["weights"], "`weights`", (n,)),
                mean=mean,
                top1=of_metric("top1", data["top1"], "`top1`"),
                noise=noise,
                root=unpacked(decode_array(data, "root", np.float32, (n * (n + 1) // 2,)), n),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold the numbers of a ridge model, but: {error!r:.300}."
            ) from error


class _Fit(NamedTuple):
    """Weighted least squares; ``residuals`` are squared, and corrected for leverage."""

    weights: Vector
    mean: Vector
    top1: float
    noise: float
    covariance: Vector
    residuals: Vector


def _least_squares(features: Vector, top1: Vector, trust: Vector, penalty: float | None) -> _Fit:
    """Fit with a weight for each row, ``trust``, the inverse of its relative variance."""
    mean, level = np.average(features, axis=0, weights=trust), np.average(top1, weights=trust)
    root = np.sqrt(trust)
    centred, targets = root[:, None] * (features - mean), root * (top1 - level)
    if penalty is None:
        penalty = best_penalty(centred, targets)
    inverse = np.linalg.inv(centred.T @ centred + penalty * np.eye(features.shape[1]))
    weights = inverse @ (centred.T @ targets)
    leverage = np.einsum("ij,jk,ik->i", centred, inverse, centred) + trust / trust.sum()
    # The error of a left-out row is residual / (1 - leverage), its variance
    # noise^2 / (1 - leverage). Residuals over degrees of freedom are too few with few rows.
    residuals = (targets - centred @ weights) ** 2 / np.maximum(1 - leverage, 1e-9)
    variance = float(residuals.mean())
    covariance = np.asarray(variance * inverse, dtype=np.float64)
    return _Fit(weights, mean, float(level), variance**0.5, covariance, residuals / trust)


def _as_in_files(root: NDArray[np.float32]) -> Vector:
    return root.astype(np.float64)


def _noise(found: _Fit, shares: Vector) -> Vector:
    """Return the standard deviation of the residuals at each level, ``(n_levels,)``."""
    n, total = shares.sum(axis=0), found.residuals @ shares
    if len(n) == 1:
        return np.array([found.noise])
    mean = found.residuals.mean()
    return np.asarray(np.sqrt(np.maximum((total + _N_PRIOR * mean) / (n + _N_PRIOR), _LEAST**2)))


def best_penalty(centred: Vector, targets: Vector) -> float:
    """Return the penalty whose fit predicts each row best from all others, in closed form.

    With the hat matrix H the error of a left-out row is its residual over 1 - H_ii; the mean
    adds another 1/n.
    """
    # not the singular values of the features: their iteration may fail, on finite numbers too
    squares, vectors = np.linalg.eigh(centred.T @ centred)
    scores = centred @ vectors
    projected = scores.T @ targets
    errors = []
    for penalty in _PENALTIES:
        inverse = 1 / (np.maximum(squares, 0) + penalty)
        residuals = targets - scores @ (inverse * projected)
        leverage = scores**2 @ inverse + 1 / len(targets)
        errors.append(float(np.mean((residuals / np.maximum(1 - leverage, 1e-9)) ** 2)))
    return _PENALTIES[int(np.argmin(errors))]

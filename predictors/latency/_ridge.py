"""Ridge regression of positive numbers with relative errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import array, covariance, number
from optuna_ofa.exceptions import FormatError

Array = NDArray[np.float64]
# The penalties that a fit chooses from by default; for features of unit scale.
_PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# keeps free weights finite if features are linearly dependent
_FREE_PENALTY = 1e-9


class RelativeRidge(NamedTuple):
    """A fitted model, ``y = x @ weights``, with errors that grow with ``y``.

    Args:
        weights: ``(n_features,)``.
        noise: Relative standard deviation of the residuals.
        covariance: ``(n_features, n_features)`` inverse of the regularised Gram matrix.
        penalty: The penalty of the fit.
    """

    weights: Array
    noise: float
    covariance: Array
    penalty: float

    def predict(self, features: Array) -> Array:
        """Return predictions, ``(n,)``, bit-identical regardless of the other rows."""
        total = np.zeros(len(features))
        for column, weight in zip(features.T, self.weights, strict=True):
            total += column * weight
        return total

    def predict_std(self, features: Array) -> Array:
        """Return standard deviations, ``(n,)``, larger away from the data of the fit."""
        return np.abs(self.predict(features)) * self.noise * self.spread(features)

    def spread(self, features: Array) -> Array:
        """Return by how much a relative error exceeds the noise, ``(n,)``, at least 1."""
        predicted = self.predict(features)
        relative = features / np.maximum(np.abs(predicted), 1e-12)[:, None]
        leverage = np.einsum("ij,jk,ik->i", relative, self.covariance, relative)
        return np.asarray(np.sqrt(1 + np.maximum(leverage, 0)))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "weights": self.weights.tolist(),
            "noise": self.noise,
            "covariance": self.covariance.tolist(),
            "penalty": self.penalty,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], n_features: int) -> RelativeRidge:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If numbers are missing, not finite, or of the wrong count.
        """
        try:
            return cls(
                array(data["weights"], "`weights`", (n_features,)),
                number(data["noise"], "`noise`", least=0),
                covariance(data["covariance"], "`covariance`", n_features),
                number(data["penalty"], "`penalty`", least=0),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold the numbers of a ridge model, but: {error!r:.300}."
            ) from error


def fit_relative_ridge(
    features: Array, targets: Array, free: Sequence[bool], penalty: float | None = None
) -> RelativeRidge:
    """Minimise the squared relative errors, with a penalty on the squared weights.

    Args:
        features: ``(n, n_features)``.
        targets: ``(n,)`` positive numbers.
        free: Flags of the features without penalty.
        penalty: None takes the one with the lowest leave-one-out error.
    """
    scale = np.maximum(np.abs(features).mean(axis=0), 1e-12) / targets.mean()
    rows = features / scale / targets[:, None]
    gram, total = rows.T @ rows, rows.sum(axis=0)
    chosen = _best_penalty(rows, gram, total, free) if penalty is None else penalty
    inverse = _inverse(gram, len(rows), free, chosen)
    weights = inverse @ total
    residuals = 1 - rows @ weights
    # effective number of parameters: the trace of the hat matrix
    n_effective = float(np.sum((rows @ inverse) * rows))
    noise = float(np.sqrt(residuals @ residuals / max(len(targets) - n_effective, 1.0)))
    return RelativeRidge(weights / scale, noise, inverse / np.outer(scale, scale), chosen)


def _inverse(gram: Array, n: int, free: Sequence[bool], penalty: float) -> Array:
    return np.asarray(np.linalg.inv(gram + np.diag(np.where(free, _FREE_PENALTY, penalty) * n)))


def _best_penalty(rows: Array, gram: Array, total: Array, free: Sequence[bool]) -> float:
    """Return the penalty whose fit predicts each row best from all others, in closed form."""
    if all(free):
        return 0.0
    errors = []
    for penalty in _PENALTIES:
        inverse = _inverse(gram, len(rows), free, penalty)
        leverage = np.sum((rows @ inverse) * rows, axis=1)  # no matrix of rows by rows
        left_out = (1 - rows @ (inverse @ total)) / np.maximum(1 - leverage, 1e-9)
        errors.append(float(np.mean(left_out**2)))
    return _PENALTIES[int(np.argmin(errors))]

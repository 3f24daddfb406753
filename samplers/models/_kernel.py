"""Covariances of few measurements, and their hyper-parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers.models._descent import minimum
from optuna_ofa.samplers.models._features import Scale

Array = NDArray[np.float64]
_AMPLITUDE, _NOISE = 0.2, 0.02
# What is left of a prior varies less than the quantity, and two measurements do not explain it. The
# slope is that beside 1.
_TRUST, _PRIOR, _NOISE_LEFT = 0.4, Scale(20.0, 0.2), 0.15
_JITTER = 1e-6
# a factor of 55 either way
_MOST = 4.0


class Settings:
    """Hyper-parameters, in standard deviations of the quantity.

    Args:
        logs: ``(2 n_groups + 2,)`` logarithms of the length and the slope of each group, of the
            amplitude, and of the standard deviation of a measurement.
    """

    def __init__(self, logs: Array) -> None:
        self.logs = logs
        n = len(logs) // 2 - 1
        values = np.exp(logs)
        self.lengths: Array = values[:n]
        self.slopes: Array = values[n : 2 * n]
        self.amplitude: float = float(values[-2])
        self.noise: float = float(values[-1])

    @classmethod
    def before(cls, scales: Sequence[Scale], *, trusting: bool = False) -> Settings:
        """Return what is expected before any measurement.

        Args:
            scales: The scale of each group.
            trusting: Whether the last features are a prior of the values, which the process
                corrects: then everything else varies less.
        """
        trust = _TRUST if trusting else 1.0
        last = [_PRIOR] * trusting
        lengths = [scale.length for scale in [*scales, *last]]
        slopes = [*(trust * scale.slope for scale in scales), *(scale.slope for scale in last)]
        noise = _NOISE_LEFT if trusting else _NOISE
        return cls(np.log([*lengths, *slopes, trust * _AMPLITUDE, noise]))

    def diagonal(self, counts: Array) -> Array:
        """Return what measurements add to their own variances."""
        return np.asarray(self.noise**2 / counts + _JITTER)


def tuned(
    features: Array, groups: NDArray[np.intp], targets: Array, counts: Array, before: Settings
) -> Settings:
    """Return the most probable hyper-parameters.

    Their logarithms have a standard deviation of 1 around those before.

    Args:
        features: ``(n, n_features)``, centred.
        groups: ``(n_features,)``.
        targets: ``(n,)`` of mean 0 and variance 1.
        counts: ``(n,)`` how often each was measured.
        before: Their medians before any measurement.
    """
    loss = _Loss(features, groups, targets, counts, before)
    return Settings(before.logs + minimum(loss, np.zeros(len(before.logs)), _MOST))


class _Loss:
    """Minus the logarithm of the posterior density of hyper-parameters, and its gradient."""

    def __init__(
        self,
        features: Array,
        groups: NDArray[np.intp],
        targets: Array,
        counts: Array,
        before: Settings,
    ) -> None:
        self._targets, self._counts, self._before = targets, counts, before
        parts = [features[:, groups == g] for g in range(len(before.lengths))]
        shape = (len(parts), len(targets), len(targets))
        self._products = np.array([part @ part.T for part in parts]).reshape(shape)
        squares = np.einsum("gii->gi", self._products)
        self._distances = np.maximum(squares[:, :, None] + squares[:, None] - 2 * self._products, 0)

    def __call__(self, moves: Array) -> tuple[float, Array]:
        at = Settings(self._before.logs + moves)
        smooth = at.amplitude**2 * np.exp(-0.5 * np.tensordot(at.lengths**-2, self._distances, 1))
        covariance = smooth + np.tensordot(at.slopes**2, self._products, 1)
        covariance[np.diag_indices(len(covariance))] += at.diagonal(self._counts)
        factor = np.linalg.cholesky(covariance)
        inverse = np.linalg.inv(covariance)
        weights = inverse @ self._targets
        value = (
            0.5 * float(self._targets @ weights)
            + float(np.log(np.diag(factor)).sum())
            + 0.5 * float(moves @ moves)
        )
        pull = inverse - np.outer(weights, weights)
        gradient = np.concatenate(
            [
                0.5 * at.lengths**-2 * np.tensordot(self._distances, pull * smooth, 2),
                at.slopes**2 * np.tensordot(self._products, pull, 2),
                [
                    float((pull * smooth).sum()),
                    at.noise**2 * float((np.diag(pull) / self._counts).sum()),
                ],
            ]
        )
        return value, gradient + moves

"""A Gaussian process of few measurements."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers.models._kernel import Settings, tuned

Array = NDArray[np.float64]
# more rows than this hardly change hyper-parameters
_N_TUNING_ROWS = 300


class Process:
    """A Gaussian process with a smooth and a linear covariance of `RowFeatures`.

    ``k(a, b) = amplitude^2 exp(-|(a - b) / lengths|^2 / 2) + (slopes a) . (slopes b)``

    Args:
        columns: ``(n, n_features)`` features of the measured rows.
        values: ``(n,)`` what was measured of them.
        counts: ``(n,)`` how often.
        groups: ``(n_features,)`` the group of each feature.
        scale: The unit of hyper-parameters; 0 is 1.
        before: What is expected of hyper-parameters before any measurement.
        settings: Hyper-parameters of an earlier fit; None finds them.
        seed: Picks the rows that hyper-parameters are fitted to.
    """

    def __init__(
        self,
        columns: Array,
        values: Array,
        counts: Array,
        *,
        groups: NDArray[np.intp],
        scale: float,
        before: Settings,
        settings: Settings | None,
        seed: int,
    ) -> None:
        self._mean, self._level, self._scale = (
            columns.mean(axis=0),
            float(values.mean()),
            scale or 1.0,
        )
        columns = columns - self._mean
        targets = (values - self._level) / self._scale
        if settings is None:
            some = np.random.default_rng(seed).permutation(len(targets))[:_N_TUNING_ROWS]
            settings = tuned(columns[some], groups, targets[some], counts[some], before)
        self.settings = settings
        self._slopes = settings.slopes[groups]
        self._lengths = settings.lengths[groups]
        self._linear, self._near = columns * self._slopes, columns / self._lengths
        covariance = self._covariances(self._linear, self._near)
        covariance[np.diag_indices(len(covariance))] += settings.diagonal(counts)
        self._white = np.linalg.inv(np.linalg.cholesky(covariance))
        self._weights = self._white.T @ (self._white @ targets)

    def estimate(self, columns: Array) -> tuple[Array, Array]:
        """Return means and standard deviations of the quantity, ``(n,)`` each.

        Args:
            columns: ``(n, n_features)`` features.
        """
        columns = columns - self._mean
        linear = columns * self._slopes
        covariances = self._covariances(linear, columns / self._lengths)
        mean = self._level + self._scale * (covariances @ self._weights)
        known = ((covariances @ self._white.T) ** 2).sum(axis=1)
        variance = self.settings.amplitude**2 + (linear**2).sum(axis=1) - known
        least = self.settings.noise**2
        return mean, self._scale * np.sqrt(np.maximum(variance, 0) + least)

    def _covariances(self, linear: Array, near: Array) -> Array:
        """Return the covariances with the measured rows, ``(n, n_rows)``."""
        squares = (near**2).sum(axis=1)[:, None] + (self._near**2).sum(axis=1)
        squares -= 2 * near @ self._near.T
        smooth = self.settings.amplitude**2 * np.exp(-0.5 * np.maximum(squares, 0))
        return np.asarray(smooth + linear @ self._linear.T)

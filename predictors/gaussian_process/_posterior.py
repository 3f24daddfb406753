"""Predictions of a Gaussian process from known inputs."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._products import RowProduct, inverse_root, padded
from optuna_ofa.predictors.gaussian_process._kernel import Kernel, Rows

Array = NDArray[np.float64]


class Similarities:
    """The RBF kernel with some points, without its amplitude.

    Args:
        kernel: Covariance with its hyper-parameters.
        points: ``(n, n_features)``.
    """

    def __init__(self, kernel: Kernel, points: Array) -> None:
        self._lengths = kernel.lengths
        # exponents are products of (scaled inputs, 1) with these
        scaled = points / kernel.lengths
        self.scaled = scaled
        self._product = RowProduct(
            np.concatenate([scaled, -0.5 * np.square(scaled).sum(1)[:, None]], axis=1).T
        )

    def __call__(self, x: Array) -> Array:
        """Return the similarities of ``(m, n_features)`` with the points, ``(m, n)``."""
        scaled = np.ones((len(x), x.shape[1] + 1))
        scaled[:, :-1] = x / self._lengths
        exponents = self._product(scaled)
        exponents -= 0.5 * np.square(scaled[:, :-1]).sum(1)[:, None]
        return np.exp(exponents, out=exponents)


class Mean:
    """Means and their slopes, in the units of the fit.

    Rows are inputs in multiples of `ROWS`.

    Args:
        kernel: Covariance with its hyper-parameters.
        features: ``(n, n_features)`` points of the RBF.
        weights: ``(n,)`` of the covariances with them.
        slopes: ``(n_features,)`` of the linear part, which needs no sum over the points.
    """

    def __init__(self, *, kernel: Kernel, features: Array, weights: Array, slopes: Array) -> None:
        self.kernel = kernel
        self.similarities = Similarities(kernel, features)
        self._mass = np.square(kernel.amplitude) * weights
        self._slopes = slopes

    @property
    def width(self) -> int:
        """Number of points, the length of the longest rows."""
        return len(self._mass)

    def means(self, x: Array) -> Array:
        """Return the means at ``(m, n_features)``, ``(m,)``."""
        curved = self.similarities(x) * self._mass
        return np.asarray(curved.sum(1) + (x * self._slopes).sum(1))

    def tangents(self, x: Array) -> Array:
        """Return each mean and its derivative by each feature, ``(m, 1 + n_features)``."""
        pulls = self.similarities(x) * self._mass
        total = pulls.sum(1)[:, None]
        scaled = x / self.kernel.lengths
        curved = (self._towards_points(pulls) - total * scaled) / self.kernel.lengths
        means = total + (x * self._slopes).sum(1)[:, None]
        return np.concatenate([means, curved + self._slopes], axis=1)

    @cached_property
    def _towards_points(self) -> RowProduct:
        return RowProduct(self.similarities.scaled)


def whitening(kernel: Kernel, rows: Rows) -> Array:
    """Return the inverse of the lower Cholesky factor of the covariance of measurements."""
    a, n = padded(rows.features), len(rows.features)
    covariance = np.square(kernel.amplitude) * Similarities(kernel, rows.features)(a)
    covariance += RowProduct((rows.features * kernel.slopes).T)(a * kernel.slopes)
    return inverse_root(covariance[:n] + np.diag(kernel.noise_of(rows)))


class Posterior(Mean):
    """Means, their slopes, and variances from the measured subnets.

    Args:
        kernel: Covariance with its hyper-parameters.
        rows: The known inputs.
        weights: ``(n,)`` inverse covariance of the known values times these.
        expected: ``(n_features,)`` slopes of the linear function that is expected beforehand; the
            known values are what is left of it.
    """

    def __init__(self, *, kernel: Kernel, rows: Rows, weights: Array, expected: Array) -> None:
        pulls = (weights[:, None] * rows.features).sum(0)  # in one order, unlike a product
        slopes = np.square(kernel.slopes) * pulls + expected
        super().__init__(kernel=kernel, features=rows.features, weights=weights, slopes=slopes)
        self._rows, self._weights = rows, weights

    def variances(self, x: Array) -> Array:
        """Return the variances of the values, without noise, ``(m,)``."""
        kernel, (linear, whiten) = self.kernel, self._products
        covariances = np.square(kernel.amplitude) * self.similarities(x)
        covariances += linear(x * np.square(kernel.slopes))
        left = kernel.variances(x) - np.square(whiten(covariances)).sum(1)
        return np.asarray(np.maximum(left, 0))

    def left_out(self) -> tuple[Array, Array]:
        """Return the error of each known value if it is left out, and its standard deviation."""
        variances = 1 / np.square(self._whitening).sum(0)
        return self._weights * variances, np.sqrt(variances)

    @cached_property
    def _whitening(self) -> Array:
        return whitening(self.kernel, self._rows)

    @cached_property
    def _products(self) -> tuple[RowProduct, RowProduct]:
        return RowProduct(self._rows.features.T), RowProduct(self._whitening.T)

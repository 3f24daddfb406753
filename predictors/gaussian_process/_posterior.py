"""Predictions of a Gaussian process from known inputs."""

from __future__ import annotations

from functools import cached_property

from optuna_ofa._torch import torch
from optuna_ofa.predictors.gaussian_process._kernel import Kernel, Rows


class Mean:
    """Means and their slopes, in the units of the fit.

    Args:
        kernel: Covariance with its hyper-parameters.
        features: ``(n, n_features)`` points of the RBF.
        weights: ``(n,)`` of the covariances with them.
        slopes: ``(n_features,)`` of the linear part, which needs no sum over the points.
    """

    def __init__(
        self, *, kernel: Kernel, features: torch.Tensor, weights: torch.Tensor, slopes: torch.Tensor
    ) -> None:
        self.kernel = kernel
        # exponents of the RBF are products of (scaled inputs, 1) with these
        scaled = features / kernel.lengths
        self._points = torch.cat([scaled, -0.5 * scaled.square().sum(1, keepdim=True)], dim=1)
        self._mass = kernel.amplitude.square() * weights
        self._slopes = slopes

    def means(self, x: torch.Tensor) -> torch.Tensor:
        """Return the means at ``(m, n_features)``, ``(m, 1)``."""
        return (self._similarities(x) @ self._mass + x @ self._slopes)[:, None]

    def tangents(self, x: torch.Tensor) -> torch.Tensor:
        """Return each mean and its derivative by each feature, ``(m, 1 + n_features)``."""
        pulls = self._similarities(x) * self._mass
        total = pulls.sum(1, keepdim=True)
        scaled = x / self.kernel.lengths
        curved = (pulls @ self._points[:, :-1] - total * scaled) / self.kernel.lengths
        return torch.cat([total + (x @ self._slopes)[:, None], curved + self._slopes], dim=1)

    def _similarities(self, x: torch.Tensor) -> torch.Tensor:
        """Return the RBF kernel without its amplitude, ``(m, n)``."""
        scaled = x / self.kernel.lengths
        ones = torch.ones(len(x), 1, dtype=x.dtype)
        exponents = torch.cat([scaled, ones], dim=1) @ self._points.T
        return exponents.sub_(0.5 * scaled.square().sum(1, keepdim=True)).exp_()


class Posterior(Mean):
    """Means, their slopes, and variances from the measured subnets.

    Args:
        kernel: Covariance with its hyper-parameters.
        rows: The known inputs.
        weights: ``(n,)`` inverse covariance of the known values times these.
        expected: ``(n_features,)`` slopes of the linear function that is expected beforehand; the
            known values are what is left of it.
    """

    def __init__(
        self, *, kernel: Kernel, rows: Rows, weights: torch.Tensor, expected: torch.Tensor
    ) -> None:
        slopes = kernel.slopes.square() * (weights @ rows.features) + expected
        super().__init__(kernel=kernel, features=rows.features, weights=weights, slopes=slopes)
        self._rows, self._weights = rows, weights

    def variances(self, x: torch.Tensor) -> torch.Tensor:
        """Return the variances of the values, without noise, ``(m, 1)``."""
        kernel = self.kernel
        known: torch.Tensor = torch.linalg.solve_triangular(
            self._factor, kernel(self._rows.features, x), upper=False
        )
        left = kernel.variances(x) - known.square().sum(0)
        return left.clamp_min(0)[:, None]

    def left_out(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the error of each known value if it is left out, and its standard deviation."""
        variances = torch.cholesky_inverse(self._factor).diagonal().reciprocal()
        return self._weights * variances, variances.sqrt()

    @cached_property
    def _factor(self) -> torch.Tensor:
        return self.kernel.factor(self._rows)

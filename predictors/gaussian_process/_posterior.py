"""Predictions of a Gaussian process from its training inputs."""

from __future__ import annotations

from functools import cached_property

from optuna_ofa._torch import torch
from optuna_ofa.predictors.gaussian_process._kernel import Kernel


class Posterior:
    """Means, their slopes, and variances, in the units of the fit.

    Args:
        kernel: Covariance with its hyper-parameters.
        features: ``(n, n_features)`` known inputs, centred.
        counts: ``(n,)`` number of measurements averaged in each known value.
        weights: ``(n,)`` inverse covariance of the known values times these.
        expected: ``(n_features,)`` slopes of the linear function that is expected beforehand; the
            known values are what is left of it.
    """

    def __init__(
        self,
        *,
        kernel: Kernel,
        features: torch.Tensor,
        counts: torch.Tensor,
        weights: torch.Tensor,
        expected: torch.Tensor,
    ) -> None:
        self.kernel = kernel
        self._features, self._counts, self._weights = features, counts, weights
        # exponents of the RBF are products of (scaled inputs, 1) with these
        scaled = features / kernel.lengths
        self._points = torch.cat([scaled, -0.5 * scaled.square().sum(1, keepdim=True)], dim=1)
        self._mass = kernel.amplitude.square() * weights
        # the linear part does not need a sum over the known inputs
        self._slopes = kernel.slopes.square() * (weights @ features) + expected

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

    def variances(self, x: torch.Tensor) -> torch.Tensor:
        """Return the variances of measurements, noise included, ``(m, 1)``."""
        kernel = self.kernel
        known: torch.Tensor = torch.linalg.solve_triangular(
            self._factor, kernel(self._features, x), upper=False
        )
        left = kernel.variances(x) - known.square().sum(0)
        return (left.clamp_min(0) + kernel.noise.square())[:, None]

    def left_out(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the error of each known value if it is left out, and its standard deviation."""
        variances = torch.cholesky_inverse(self._factor).diagonal().reciprocal()
        return self._weights * variances, variances.sqrt()

    def _similarities(self, x: torch.Tensor) -> torch.Tensor:
        """Return the RBF kernel without its amplitude, ``(m, n)``."""
        scaled = x / self.kernel.lengths
        ones = torch.ones(len(x), 1, dtype=x.dtype)
        exponents = torch.cat([scaled, ones], dim=1) @ self._points.T
        return exponents.sub_(0.5 * scaled.square().sum(1, keepdim=True)).exp_()

    @cached_property
    def _factor(self) -> torch.Tensor:
        return self.kernel.factor(self._features, self._counts)

"""A Gaussian process that is summarised at points of its own, not at the measured subnets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa._torch import torch
from optuna_ofa.exceptions import FormatError, InvalidSubnetError
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors._triangle import packed, unpacked
from optuna_ofa.predictors.gaussian_process._kernel import Kernel
from optuna_ofa.predictors.gaussian_process._model import ProcessModel
from optuna_ofa.predictors.gaussian_process._posterior import Mean
from optuna_ofa.predictors.gaussian_process._settings import Settings, Standardised
from optuna_ofa.space import Matrix, SearchSpace

# The file of 400 has 400 kB. With 256 the error grows by a tenth, with 512 it shrinks by a
# thirtieth.
_N_POINTS = 400
_MAX_POINTS = 2_000
# of the variance, so that near points leave the matrix invertible
_JITTER = 1e-6


class Basis:
    """The functions whose weighted sum approximates a Gaussian process.

    One for each feature, and one for each point: the root of the covariances among the points
    divides those with them (the FITC approximation of Snelson and Ghahramani, 2006).

    Args:
        kernel: Covariance with its hyper-parameters.
        points: ``(m, n_features)``, centred.
    """

    def __init__(self, kernel: Kernel, points: torch.Tensor) -> None:
        self.kernel, self._points = kernel, points
        jitter = _JITTER * kernel.amplitude.square()
        among = kernel.rbf(points, points) + jitter * torch.eye(len(points), dtype=points.dtype)
        self.root: torch.Tensor = torch.linalg.cholesky(among)

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the values at ``(n, n_features)``, ``(n, n_functions)``, and what they miss."""
        near: torch.Tensor = torch.linalg.solve_triangular(
            self.root, self.kernel.rbf(self._points, x), upper=False
        ).T
        missing = (self.kernel.amplitude.square() - near.square().sum(1)).clamp_min(0)
        return torch.cat([x * self.kernel.slopes, near], dim=1), missing


class SparsePosterior(Mean):
    """Means, their slopes, and variances from weights of a `Basis`.

    Args:
        kernel: Covariance with its hyper-parameters.
        points: ``(m, n_features)``, centred.
        weights: ``(n_functions,)`` of the functions of the basis.
        spread: ``(n_functions, n_functions)`` inverse of the root of the weights' precision.
    """

    def __init__(
        self, *, kernel: Kernel, points: torch.Tensor, weights: torch.Tensor, spread: torch.Tensor
    ) -> None:
        n = points.shape[1]
        basis = Basis(kernel, points)
        of_points: torch.Tensor = torch.linalg.solve_triangular(
            basis.root.T, weights[n:, None], upper=True
        )
        super().__init__(
            kernel=kernel,
            features=points,
            weights=of_points[:, 0],
            slopes=kernel.slopes * weights[:n],
        )
        self._basis, self._spread = basis, spread

    def variances(self, x: torch.Tensor) -> torch.Tensor:
        """Return the variances of the values, without noise, ``(m, 1)``."""
        values, missing = self._basis(x)
        return ((values @ self._spread.T).square().sum(1) + missing)[:, None]


class SparseGaussianProcess(ProcessModel):
    """A Gaussian process whose file does not hold the measured subnets.

    It is summarised at a random draw of subnets of the space.

    Args:
        space: The space of the matrices.
        points: ``(m, n_genes)`` drawn subnets.
        mean: ``(n_features,)`` mean of the measured subnets' features.
        settings: Hyper-parameters.
        weights: ``(n_functions,)`` see `SparsePosterior`.
        spread: ``(n_functions, n_functions)`` see `SparsePosterior`.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        points: Matrix,
        mean: NDArray[np.float64],
        settings: Settings,
        weights: torch.Tensor,
        spread: torch.Tensor,
    ) -> None:
        self._points, self._weights, self._spread = points, weights, spread
        inputs = GaussianProcessInputs(space, points, mean)
        posterior = SparsePosterior(
            kernel=Kernel(settings.logs, inputs.groups),
            points=inputs.features,
            weights=weights,
            spread=spread,
        )
        super().__init__(inputs=inputs, posterior=posterior, settings=settings)

    @classmethod
    def fit(cls, space: SearchSpace, rows: MeasuredRows, *, seed: int = 0) -> SparseGaussianProcess:
        """Fit to measured subnets, with hyper-parameters by marginal likelihood.

        Args:
            space: The space of the rows.
            rows: Measured subnets.
            seed: Seed for drawing points, and for choosing the rows to which hyper-parameters are
                fitted.
        """
        known = Standardised.of(space, rows)
        inputs = known.inputs
        settings = known.tuned(seed=seed)
        points = np.unique(space.canonicalize(space.sample(_N_POINTS, seed=seed)), axis=0)
        kernel = Kernel(settings.logs, inputs.groups)
        values, missing = Basis(kernel, inputs(points))(inputs.features)
        noise = kernel.noise(known.rows.shares).square() / known.rows.counts
        precise = values / (noise + missing + _JITTER)[:, None]
        precision = torch.eye(values.shape[1], dtype=values.dtype) + precise.T @ values
        root = torch.linalg.cholesky(precision)
        weights = torch.cholesky_solve(precise.T @ known.targets[:, None], root)[:, 0]
        one = torch.eye(len(root), dtype=root.dtype)
        spread: torch.Tensor = torch.linalg.solve_triangular(root, one, upper=False)
        return cls(
            space=space,
            points=points,
            mean=inputs.mean,
            settings=settings,
            weights=weights,
            spread=spread.half().double(),  # as in the file
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the points and what was fitted, JSON-ready."""
        return {
            "kind": "sparse_gaussian_process",
            **self._settings.to_dict(),
            "n_features": self._inputs.features.shape[1],
            "points": encode_array(self._points),
            "mean": encode_array(self._inputs.mean),
            "weights": encode_array(self._weights.numpy()),
            "spread": encode_array(packed(self._spread.numpy()).astype(np.float16)),
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> SparseGaussianProcess:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing or inconsistent, or does not fit the space.
        """
        points = decode_array(data, "points", np.int16, (None, len(space.genes)))
        if not 1 <= len(points) <= _MAX_POINTS:
            raise FormatError(f"`points` must have 1 to {_MAX_POINTS} rows, but has {len(points)}.")
        try:
            points = space.canonicalize(space.check(points))
            inputs = GaussianProcessInputs(space, points[:1])
            settings = Settings.from_dict(inputs, data)
        except (InvalidSubnetError, KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold a Gaussian process, but: {error!r:.300}."
            ) from error
        mean = decode_array(data, "mean", np.float64, inputs.mean.shape)
        inputs.thermometer.require_mean(mean)
        n = len(mean) + len(points)
        spread = decode_array(data, "spread", np.float16, (n * (n + 1) // 2,))
        return cls(
            space=space,
            points=points,
            mean=mean,
            settings=settings,
            weights=torch.from_numpy(decode_array(data, "weights", np.float64, (n,))),
            spread=torch.from_numpy(unpacked(spread, n)),
        )

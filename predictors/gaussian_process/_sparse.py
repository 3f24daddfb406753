"""A Gaussian process that is summarised at points of its own, not at the measured subnets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa.exceptions import FormatError, InvalidSubnetError
from optuna_ofa.predictors._products import RowProduct, inverse_root, padded
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors._triangle import packed, unpacked
from optuna_ofa.predictors.gaussian_process._kernel import Kernel
from optuna_ofa.predictors.gaussian_process._model import ProcessModel
from optuna_ofa.predictors.gaussian_process._posterior import Mean, Similarities
from optuna_ofa.predictors.gaussian_process._settings import Settings, Standardised
from optuna_ofa.space import Matrix, SearchSpace

Array = NDArray[np.float64]
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

    def __init__(self, kernel: Kernel, points: Array) -> None:
        self.kernel = kernel
        self._similarities = Similarities(kernel, points)
        jitter = _JITTER * kernel.amplitude**2
        among = kernel.amplitude**2 * self._similarities(padded(points))[: len(points)]
        self.inverse = inverse_root(among + jitter * np.eye(len(points)))
        self._whiten = RowProduct(self.inverse.T)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """Return the values at ``(n, n_features)``, ``(n, n_functions)``, and what they miss."""
        variance = self.kernel.amplitude**2
        near = self._whiten(variance * self._similarities(x))
        missing = np.maximum(variance - np.square(near).sum(1), 0)
        return np.hstack([x * self.kernel.slopes, near]), missing


class SparsePosterior(Mean):
    """Means, their slopes, and variances from weights of a `Basis`.

    Args:
        kernel: Covariance with its hyper-parameters.
        points: ``(m, n_features)``, centred.
        weights: ``(n_functions,)`` of the functions of the basis.
        spread: ``(n_functions, n_functions)`` inverse of the root of the weights' precision.
    """

    def __init__(self, *, kernel: Kernel, points: Array, weights: Array, spread: Array) -> None:
        n = points.shape[1]
        basis = Basis(kernel, points)
        super().__init__(
            kernel=kernel,
            features=points,
            weights=(weights[n:, None] * basis.inverse).sum(0),
            slopes=kernel.slopes * weights[:n],
        )
        self._basis, self._spread = basis, RowProduct(spread.T)

    def variances(self, x: Array) -> Array:
        """Return the variances of the values, without noise, ``(m,)``."""
        values, missing = self._basis(x)
        return np.asarray(np.square(self._spread(values)).sum(1) + missing)


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
        weights: Array,
        spread: Array,
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
        values, missing = Basis(kernel, inputs(points))(padded(inputs.features))
        values, missing = values[: len(inputs.features)], missing[: len(inputs.features)]
        noise = kernel.noise(known.rows.shares) ** 2 / known.rows.counts
        precise = values / (noise + missing + _JITTER)[:, None]
        precision = np.eye(values.shape[1]) + precise.T @ values
        spread = inverse_root(precision)
        weights = (spread @ (precise.T @ known.targets)) @ spread
        return cls(
            space=space,
            points=points,
            mean=inputs.mean,
            settings=settings,
            weights=weights,
            spread=spread.astype(np.float16).astype(np.float64),  # as in the file
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the points and what was fitted, JSON-ready."""
        return {
            "kind": "sparse_gaussian_process",
            **self._settings.to_dict(),
            "n_features": self._inputs.features.shape[1],
            "points": encode_array(self._points),
            "mean": encode_array(self._inputs.mean),
            "weights": encode_array(self._weights),
            "spread": encode_array(packed(self._spread).astype(np.float16)),
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
            weights=decode_array(data, "weights", np.float64, (n,)),
            spread=unpacked(spread, n),
        )

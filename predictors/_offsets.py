"""Estimates the offsets of groups of measurements, jointly with a linear model of the subnets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import GroupWarning
from optuna_ofa.predictors._groups import Groups, Offsets
from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]

# What the fit averages over: the variance of the residuals over that of the weights, and the
# standard deviation of the offsets over that of the residuals, which is half-normal a priori.
_PENALTIES = np.geomspace(0.003, 100, 10)
_RATIOS = np.geomspace(0.01, 100, 41)
_SCALE = 2.0
# more resolutions than this are divided into as many ranges with equal numbers of rows
_MOST_LEVELS = 4
_TINY = 1e-9
_UNKNOWN = 1e-7
_LEAST_VARIANCE = 1e-12
_LEAST_WEIGHT = 0.01


def fit_offsets(
    space: SearchSpace, matrix: Matrix, values: Vector, groups: Groups, known: Vector | None = None
) -> Offsets:
    """Estimate the offset of each group.

    A linear mixed model: ``value = level of the resolution + features . weights + offset of the
    group + residual``, where weights, offsets and residuals are normal. Their variances are
    averaged over, weighted by the restricted likelihood (Patterson and Thompson, 1971). So the
    offset of a group of few rows is shrunk towards zero. The levels are free: where a resolution
    was measured by one group alone, its effect is not mistaken for that of the group.

    Args:
        space: The space of the rows.
        matrix: ``(n, n_genes)`` canonical genotypes, in any order, with repeats.
        values: ``(n,)`` measured values.
        groups: The group of each row.
        known: ``(n, n_columns)`` predictions beforehand, whose weights are free as well.

    Warns:
        GroupWarning: If offsets cannot be told from the effect of the resolution.
    """
    n_groups = len(groups.names)
    if n_groups == 1:
        return Offsets(groups, np.zeros(1), np.zeros(1))
    levels = _levels(space, matrix)
    features = Thermometer(space)(matrix)
    found = _estimate(
        features - features.mean(axis=0),
        np.hstack([np.eye(levels.max() + 1)[levels], *([] if known is None else [_scaled(known)])]),
        np.column_stack([np.eye(n_groups)[groups.of_rows], values - values.mean()]),
    )
    parts = _connected(groups.of_rows, levels)
    if parts.max() > 0:
        _warn_apart(groups, parts)
    together = parts[:, None] == parts
    shares = together * groups.sizes
    centre = np.eye(n_groups) - shares / shares.sum(axis=1, keepdims=True)
    std = np.sqrt(np.einsum("ij,jk,ik->i", centre, found.covariance, centre))
    known = together.sum(axis=1) > 1
    return Offsets(groups, centre @ found.means, np.where(known, std, np.nan))


class _Estimate(NamedTuple):
    """Normal distribution of the offsets."""

    means: Vector
    covariance: Vector


class _Reduced(NamedTuple):
    """What is left to explain after the features with one penalty, and the levels.

    Args:
        n: Number of rows less that of the levels.
        constant: Part of minus twice the logarithm of the restricted likelihood.
        eigenvalues: ``(n_groups,)`` of the products of the members with themselves.
        vectors: ``(n_groups, n_groups)`` their eigenvectors.
        pulls: ``(n_groups,)`` products of these with the values.
        squares: Sum of the squared values.
    """

    n: int
    constant: float
    eigenvalues: Vector
    vectors: Vector
    pulls: Vector
    squares: float

    def log_likelihood(self, ratio: float) -> float:
        """Return the logarithm of the restricted likelihood, up to a constant."""
        twice = self.n * np.log(self._variance(ratio)) + self.constant
        return -0.5 * float(twice + np.log1p(ratio**2 * self.eigenvalues).sum())

    def estimate(self, ratio: float) -> _Estimate:
        """Return the offsets whose standard deviation is a multiple of that of the residuals."""
        shrunk = self._shrunk(ratio)
        return _Estimate(
            self.vectors @ (shrunk * self.pulls),
            self._variance(ratio) * (self.vectors * shrunk) @ self.vectors.T,
        )

    def _shrunk(self, ratio: float) -> Vector:
        return np.asarray(ratio**2 / (1 + ratio**2 * self.eigenvalues))

    def _variance(self, ratio: float) -> float:
        left = self.squares - self.pulls @ (self._shrunk(ratio) * self.pulls)
        return max(float(left) / self.n, _LEAST_VARIANCE)


def _estimate(features: Vector, levels: Vector, others: Vector) -> _Estimate:
    """Return the posterior of the offsets, averaged over the variances by their likelihood.

    Args:
        features: ``(n, n_features)`` centred.
        levels: ``(n, n_levels)`` columns with free weights: indicators, and what is known.
        others: ``(n, n_groups + 1)`` indicators of the groups, then the values.
    """
    gram, columns = features.T @ features, np.hstack([levels, others])
    cross, inner = features.T @ columns, columns.T @ columns
    reduced = [_reduced(p, gram, cross, inner, levels.shape) for p in _PENALTIES]
    logs = np.array([[one.log_likelihood(ratio) for ratio in _RATIOS] for one in reduced])
    logs += np.log(_RATIOS) - 0.5 * (_RATIOS / _SCALE) ** 2
    weights = np.exp(logs - logs.max())
    weights[weights < _LEAST_WEIGHT] = 0
    weights /= weights.sum()
    n = others.shape[1] - 1
    means, squares = np.zeros(n), np.zeros((n, n))
    for i, j in np.argwhere(weights):
        one = reduced[i].estimate(_RATIOS[j])
        means += weights[i, j] * one.means
        squares += weights[i, j] * (one.covariance + np.outer(one.means, one.means))
    return _Estimate(means, squares - np.outer(means, means))


def _reduced(
    penalty: float, gram: Vector, cross: Vector, inner: Vector, shape: tuple[int, ...]
) -> _Reduced:
    n, k = shape
    regular = gram + penalty * np.eye(len(gram))
    products = inner - cross.T @ np.linalg.solve(regular, cross)
    block = products[:k, :k] + _TINY * n * np.eye(k)  # free columns may depend on each other
    rest = products[k:, k:] - products[k:, :k] @ np.linalg.solve(block, products[:k, k:])
    constant = np.linalg.slogdet(regular)[1] - len(gram) * np.log(penalty)
    eigenvalues, vectors = np.linalg.eigh(rest[:-1, :-1])
    known = eigenvalues > _UNKNOWN * n  # a sum of groups may equal one of levels
    return _Reduced(
        n=max(n - k, 1),
        constant=float(constant + np.linalg.slogdet(block)[1]),
        eigenvalues=np.where(known, eigenvalues, 0.0),
        vectors=vectors,
        pulls=np.where(known, vectors.T @ rest[:-1, -1], 0.0),
        squares=float(rest[-1, -1]),
    )


def _levels(space: SearchSpace, matrix: Matrix) -> NDArray[np.intp]:
    """Return a number for each row, the same for rows of one resolution."""
    (column,) = space.family.columns("resolution")
    pixels = matrix[:, column]
    different = np.unique(pixels)
    if len(different) > _MOST_LEVELS:
        inner = np.linspace(0, 1, _MOST_LEVELS + 1)[1:-1]
        different = np.unique(np.quantile(pixels, inner, method="lower"))
    ranges = np.searchsorted(different, pixels)
    return np.asarray(np.unique(ranges, return_inverse=True)[1].ravel())


def _scaled(known: Vector) -> Vector:
    return np.asarray((known - known.mean(axis=0)) / np.maximum(known.std(axis=0), _TINY))


def _connected(groups: NDArray[np.intp], levels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the part of each group; groups that share a level, directly or not, are in one."""
    met = np.zeros((groups.max() + 1, levels.max() + 1), dtype=bool)
    met[groups, levels] = True
    linked = met @ met.T
    for _ in range(int(np.ceil(np.log2(len(linked))))):
        linked = linked @ linked
    return np.asarray(np.unique(linked.argmax(axis=1), return_inverse=True)[1])


def _warn_apart(groups: Groups, parts: NDArray[np.intp]) -> None:
    sets = [[groups.names[i] for i in np.flatnonzero(parts == p)] for p in range(parts.max() + 1)]
    warn(
        f"`group` has {len(sets)} sets of labels that share no resolution: "
        f"{'; '.join(', '.join(one[:5]) for one in sets[:5])}. Offsets between them cannot be told "
        f"from the effect of the resolution and are taken as zero; measure some subnets of one "
        f"resolution in both.",
        GroupWarning,
    )

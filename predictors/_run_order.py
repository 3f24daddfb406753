"""A test whether measurements, in the order in which they were made, have unknown groups."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]
Breaks = NDArray[np.intp]

_LEAST_ROWS = 30
_SHORTEST = 5  # rows of a run
_SORTED = 0.9  # share of rises from which on a table is sorted by the values
# more rows are thinned, and more residuals averaged, so that the test takes 0.1 s
_MOST_ROWS = 5_000
_MOST_RESIDUALS = 1_000
_N_PERMUTATIONS = 1_999
_MOST_BREAKS = 20
# no random order of so few residuals has a larger partial sum less often than 1 in 100
_COMMON = 3.2
# standard deviation of the runs' means over that within runs: below it, groups would explain a
# tenth of the variance, as much as what the linear model misses in a table sorted by size
_LEAST_SPREAD = 1 / 3
_PENALTIES = np.geomspace(0.01, 100, 9)
# squared amplitudes of a Gaussian process over the variance of the weights of its linear part
_AMPLITUDES = (11.0, 44.0)
_LENGTH = 5.0  # two subnets differ in about 25 choices
_MOST_IN_KERNEL = 400  # rows
_TINY = 1e-300


def run_breaks(space: SearchSpace, matrix: Matrix, values: Vector) -> Breaks:
    """Return the rows at which runs with another offset seem to begin, mostly none.

    Residuals of a model, each of a fit without its row, are in random order if nothing changed
    while the rows were measured, even where the subnets become better as those of a search do.
    The largest standardised partial sum of the residuals (CUSUM) is compared with those of random
    orders, with a level of 1 in 2,000; where it is larger there is a break, and both sides are
    tested in turn.

    Args:
        space: The space of the rows.
        matrix: ``(n, n_genes)`` canonical genotypes in the order of the measurements.
        values: ``(n,)`` measured values.
    """
    # repeats in a row have the same residual
    first = np.flatnonzero(np.r_[True, np.any(matrix[1:] != matrix[:-1], axis=1)])
    first = first[:: -(-len(first) // _MOST_ROWS)]
    up = np.mean(np.diff(values[first]) > 0)
    if len(first) < _LEAST_ROWS or not 1 - _SORTED < up < _SORTED:
        return first[:0]
    residuals = _left_out(Thermometer(space)(matrix[first]), values[first])
    size = -(-len(residuals) // _MOST_RESIDUALS)
    starts = np.arange(0, len(residuals), size)
    means = np.add.reduceat(residuals, starts) / np.diff(np.r_[starts, len(residuals)])
    breaks = starts[_found(means)]
    return first[breaks if _worth_it(residuals, breaks) else breaks[:0]]


def _left_out(features: Vector, values: Vector) -> Vector:
    """Return how far each value is from a fit to the others, less what depends on its level.

    The fit is a ridge regression or, for few rows, which leave more of the differences between
    subnets unexplained, a Gaussian process; the one with the smallest errors. What a fit misses
    often grows towards the ends, so that a search, whose subnets become better, would have a trend.
    """
    x, y = features - features.mean(axis=0), values - values.mean()
    linear = _decomposed(x.T @ x)
    found = _best(x @ linear.vectors / np.sqrt(linear.values), linear.values, y)
    if len(y) <= _MOST_IN_KERNEL:
        products, squares = x @ x.T, (x * x).sum(axis=1)
        distances = squares[:, None] + squares - 2 * products
        for amplitude in _AMPLITUDES:
            kernel = _decomposed(products + amplitude * np.exp(-0.5 * distances / _LENGTH**2))
            found = min(found, _best(kernel.vectors, kernel.values, y), key=np.linalg.norm)
    return _without_trend(found, y - found)


def _without_trend(residuals: Vector, predicted: Vector) -> Vector:
    """Return residuals less a cubic over the predictions."""
    scaled = predicted / max(float(np.abs(predicted).max()), _TINY)
    columns = np.vander(scaled, 4)
    return np.asarray(residuals - columns @ np.linalg.lstsq(columns, residuals, rcond=None)[0])


class _Decomposed(NamedTuple):
    values: Vector
    vectors: Vector


def _decomposed(matrix: Vector) -> _Decomposed:
    """Return the positive eigenvalues of a symmetric matrix, and their vectors as columns."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > 1e-9 * values[-1]
    return _Decomposed(values[kept], vectors[:, kept])


def _best(u: Vector, squares: Vector, y: Vector) -> Vector:
    """Return the leave-one-out errors with the penalty that makes them smallest."""
    errors = []
    for penalty in _PENALTIES:
        shrink = squares / (squares + penalty)
        leverage = (u * u) @ shrink + 1 / len(y)  # of the mean, too
        errors.append((y - u @ (shrink * (u.T @ y))) / np.maximum(1 - leverage, 1e-3))
    return min(errors, key=np.linalg.norm)


def _scores(values: Vector) -> Vector:
    """Return ranks of mean 0 and variance 1, so that a few wrong measurements have no weight."""
    n = len(values)
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.asarray((ranks - (n - 1) / 2) * np.sqrt(12 / (n * n - 1)))


def _partial_sums(scores: Vector) -> Vector:
    """Return absolute partial sums over their standard deviations, one for each break."""
    n = scores.shape[-1]
    ends = np.arange(_SHORTEST, n - _SHORTEST + 1)
    sums = np.cumsum(scores, axis=-1)[..., ends - 1]
    return np.asarray(np.abs(sums) / np.sqrt(ends * (n - ends) / n))


def _limit(n: int) -> float:
    """Return the largest value of `_partial_sums` among random orders."""
    scores = _scores(np.arange(n, dtype=float))
    orders = np.random.default_rng(0).permuted(np.tile(scores, (_N_PERMUTATIONS, 1)), axis=1)
    return float(_partial_sums(orders).max())


def _found(residuals: Vector) -> Breaks:
    """Return the first residuals of runs, by binary segmentation."""
    if _partial_sums(_scores(residuals)).max() < _COMMON:
        return np.array([], dtype=np.intp)
    limit = _limit(len(residuals))
    breaks: list[int] = []
    left = [(0, len(residuals))]
    while left and len(breaks) < _MOST_BREAKS:
        start, end = left.pop(0)
        cut, largest = _cut(residuals, start, end)
        if largest > limit:
            breaks.append(cut)
            left += [(start, cut), (cut, end)]
    return _moved(residuals, sorted(breaks))


def _cut(residuals: Vector, start: int, end: int) -> tuple[int, float]:
    """Return where a part is best divided, and the partial sum there."""
    if end - start < 2 * _SHORTEST:
        return start, 0.0
    sums = _partial_sums(_scores(residuals[start:end]))
    return start + _SHORTEST + int(sums.argmax()), float(sums.max())


def _moved(residuals: Vector, breaks: list[int]) -> Breaks:
    """Return each break at its best place between its neighbours."""
    for i in range(len(breaks)):
        ends = [0, *breaks, len(residuals)]
        breaks[i] = _cut(residuals, ends[i], ends[i + 2])[0]
    return np.array(breaks, dtype=np.intp)


def _worth_it(residuals: Vector, breaks: Breaks) -> bool:
    """Return whether the means of the runs differ much in comparison with what is within them."""
    runs = np.split(residuals, breaks)
    means = np.concatenate([np.full(len(run), run.mean()) for run in runs])
    return bool(means.std() > _LEAST_SPREAD * (residuals - means).std())

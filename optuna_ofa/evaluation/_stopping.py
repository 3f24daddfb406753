"""Which subnets of a race need not be evaluated further."""

from __future__ import annotations

import heapq
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.evaluation._estimate import Estimate

Array = NDArray[np.float64]

_N_DRAWS = 64
_N_CELLS = 1_000
_MARGIN = 0.1  # of the ranges, by which the reference point is worse than the worst


def rivals_of(costs: Array) -> NDArray[np.bool_]:
    """Return whether a subnet, by row, has no larger cost than another, by column, ``(m, m)``."""
    found = np.array((costs[:, None] <= costs[None]).all(axis=2))
    np.fill_diagonal(found, val=False)
    return found


def dominated(found: Estimate, costs: Array, error_rate: float) -> NDArray[np.bool_]:
    """Return which subnets another one dominates with confidence, ``(m,)``.

    The other has no larger cost and is more accurate on all images: a one-sided normal test of the
    paired difference, with the error rate divided by the number of subnets that might dominate
    (Bonferroni).

    Args:
        found: The accuracies as estimated.
        costs: ``(m, k)``, smaller is better.
        error_rate: Largest probability that a subnet is in the result though none dominates it.
    """
    rivals = rivals_of(costs)
    gaps, std = found.gaps()
    levels = error_rate / np.maximum(rivals.sum(axis=0), 1)
    limits = np.array([NormalDist().inv_cdf(1 - level) for level in levels.tolist()])
    z = np.divide(gaps, std, out=np.zeros_like(gaps), where=std > 0)
    return np.asarray((rivals & (z > limits)).any(axis=0))


def superfluous(
    found: Estimate, costs: Array, kept: NDArray[np.bool_], tolerance: float
) -> NDArray[np.bool_]:
    """Return which subnets the front is not expected to need, ``(m,)``.

    The accuracies on all images are drawn from a normal distribution. The subnets that add the most
    to the hypervolume of the front, on average over the draws, are taken one by one until it is
    that of all subnets, less the tolerance; the others are superfluous.

    Args:
        found: The accuracies as estimated.
        costs: ``(m, k)``, smaller is better.
        kept: ``(m,)`` subnets that are taken first.
        tolerance: The share of the hypervolume that may be lost on average.
    """
    draws = _draws(found)
    least, most = float(draws.min()), float(draws.max())
    heights = draws - least + _MARGIN * ((most - least) or 1.0)
    reached, volumes = _cells(costs)
    everything = _heights_of(heights, reached, np.ones(len(costs), dtype=bool))
    taken = np.array(kept)
    now = _heights_of(heights, reached, taken)
    missing = float(volumes @ (everything - now).sum(axis=1))
    allowed = tolerance * float(volumes @ everything.sum(axis=1))

    def gain(i: int) -> float:
        of = reached[i]
        return float(volumes[of] @ np.maximum(heights[i] - now[of], 0.0).sum(axis=1))

    # gains only shrink, so that the largest one that is up to date is the largest
    queue = [(-gain(i), i, 0) for i in np.flatnonzero(~taken).tolist()]
    heapq.heapify(queue)
    n_taken = 0
    while missing > allowed and queue:
        bound, i, as_of = heapq.heappop(queue)
        if as_of < n_taken:
            heapq.heappush(queue, (-gain(i), i, n_taken))
            continue
        missing += bound
        n_taken += 1
        taken[i] = True
        now[reached[i]] = np.maximum(now[reached[i]], heights[i])
    return ~taken


def _draws(found: Estimate) -> Array:
    """Return draws of the accuracies on all images, ``(m, n_draws)``, the same every time."""
    values, vectors = np.linalg.eigh(found.covariance)
    normal = np.random.default_rng(0).standard_normal((len(values), _N_DRAWS))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(found.top1[:, None] + root @ normal)


def _cells(costs: Array) -> tuple[NDArray[np.bool_], Array]:
    """Divide the space of costs into cells.

    Returns:
        Whether a subnet costs no more than a cell, ``(m, n_cells)``, and the shares of the cells in
        the volume, ``(n_cells,)``: exact for one cost, random points for several.
    """
    low, high = costs.min(axis=0), costs.max(axis=0)
    end = high + _MARGIN * np.where(high > low, high - low, 1.0)
    if costs.shape[1] == 1:
        corners = np.unique(costs)
        volumes = np.diff(np.append(corners, end))
        cells = corners[:, None]
    else:
        rng = np.random.default_rng(0)
        cells = low + (end - low) * rng.random((_N_CELLS, costs.shape[1]))
        volumes = np.ones(_N_CELLS)
    reached = (costs[:, None] <= cells[None]).all(axis=2)
    return np.asarray(reached), volumes / volumes.sum()


def _heights_of(heights: Array, reached: NDArray[np.bool_], which: NDArray[np.bool_]) -> Array:
    """Return the height of the front of some subnets, ``(n_cells, n_draws)``."""
    found = np.zeros((reached.shape[1], heights.shape[1]))
    for i in np.flatnonzero(which).tolist():
        found[reached[i]] = np.maximum(found[reached[i]], heights[i])
    return found

"""Points that stand for many: good and far apart, or evenly along an order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts._pareto import nondominated

Indices = NDArray[np.intp]


def promising(
    values: NDArray[np.float64], violations: NDArray[np.float64], free: NDArray[np.bool_], n: int
) -> Indices:
    """Pick points front by front, within a front far from each other and from those not free.

    Args:
        values: ``(m, n_objectives)`` predictions, smaller is better.
        violations: ``(m,)``, 0 where feasible; infeasible points come last, the nearest first.
        free: ``(m,)`` whether a point may be picked; others are measured, or being measured.
        n: How many to pick.

    Returns:
        ``(k,)`` indices, the most telling first; ``k < n`` if there are too few.
    """
    left = np.flatnonzero(violations <= 0)
    taken = left[~free[left]]
    picked: Indices = np.empty(0, dtype=np.intp)
    while len(picked) < n and len(left):
        best = nondominated(values[left])
        front, left = left[best], left[~best]
        new = far_apart(values, front, free, np.concatenate([taken, picked]), n - len(picked))
        picked = np.concatenate([picked, new])
    beyond = np.flatnonzero((violations > 0) & free)
    beyond = beyond[np.argsort(violations[beyond], kind="stable")]
    return np.concatenate([picked, beyond])[:n]


def far_apart(
    values: NDArray[np.float64], front: Indices, free: NDArray[np.bool_], near: Indices, n: int
) -> Indices:
    """Pick the free ends of a front, then always the point that is farthest from all others.

    Args:
        values: ``(m, n_objectives)`` of all points.
        front: Indices of the points of the front.
        free: ``(m,)`` whether a point may be picked.
        near: Indices of points to keep away from.
        n: How many to pick.

    Returns:
        At most ``n`` of ``front``.
    """
    points = values[front]
    low, high = points.min(axis=0), points.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    own = scaled[front]
    distance = np.full(len(front), np.inf)
    for i in near:
        distance = np.minimum(distance, _distances(own, scaled[i]))
    ends = [i for i in dict.fromkeys(points.argmin(axis=0).tolist()) if free[front[i]]]
    distance[~free[front]] = -1.0  # below all that may be picked
    picked: list[int] = []
    for _ in range(min(n, int(free[front].sum()))):
        i = ends.pop(0) if ends else int(distance.argmax())
        picked.append(i)
        distance = np.minimum(distance, _distances(own, own[i]))
        distance[picked] = -1.0
    return front[np.array(picked, dtype=np.intp)]


def evenly(n: int, at_most: int) -> Indices:
    """Return indices of ``n`` things, the ends included, at most so many and evenly apart."""
    return np.linspace(0, n - 1, min(n, at_most)).astype(np.intp)


def _distances(points: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points - point, axis=1))

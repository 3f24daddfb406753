"""Which of many subnets are better: constrained domination, ranks and crowding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def dominates(values: Values, violations: Values) -> NDArray[np.bool_]:
    """Constrained domination of every pair (Deb et al. 2002, definition 1).

    A feasible point dominates an infeasible one; of two infeasible ones the one that violates
    less dominates; of two feasible ones the one that is nowhere worse and somewhere better.

    Args:
        values: ``(n, n_objectives)``, smaller is better.
        violations: ``(n,)``, 0 where feasible, otherwise how much is violated.

    Returns:
        ``(n, n)``; entry ``[i, j]`` says whether i dominates j.
    """
    n = len(values)
    no_worse = np.ones((n, n), dtype=bool)
    better = np.zeros((n, n), dtype=bool)
    for column in values.T:
        no_worse &= column[:, None] <= column
        better |= column[:, None] < column
    if not violations.any():
        return no_worse & better
    feasible = violations == 0
    both = feasible[:, None] & feasible
    return np.where(both, no_worse & better, violations[:, None] < violations)


def ranks(values: Values, violations: Values) -> NDArray[np.intp]:
    """Front of each point, ``(n,)``: 0 for those that none dominates, 1 for the next, ...

    Args:
        values: ``(n, n_objectives)``, smaller is better.
        violations: ``(n,)``, 0 where feasible.
    """
    domination = dominates(values, violations)
    n_dominators = domination.sum(axis=0)
    rank = np.full(len(values), -1)
    level = 0
    while (rank < 0).any():
        front = (n_dominators == 0) & (rank < 0)
        rank[front] = level
        n_dominators = n_dominators - domination[front].sum(axis=0)
        level += 1
    return rank


def nondominated(values: Values) -> NDArray[np.bool_]:
    """Which points no other point dominates, ``(n,)``; of equal points all.

    Sorted first, so that two objectives take O(n log n) and more take O(n times front).
    """
    order = np.lexsort(values.T[::-1])
    keep = np.zeros(len(values), dtype=bool)
    if values.shape[1] == 2:
        second = values[order, 1]
        best_before = np.minimum.accumulate(second[:-1])
        keep[order] = np.r_[[True] * len(second[:1]), second[1:] < best_before]
        # equal points are all kept
        same = (values[order[1:]] == values[order[:-1]]).all(axis=1)
        for i in np.flatnonzero(same):
            keep[order[i + 1]] = keep[order[i]]
        return keep
    front = np.empty((0, values.shape[1]))
    for i in order:
        worse = (front <= values[i]).all(axis=1) & (front < values[i]).any(axis=1)
        if not worse.any():
            keep[i] = True
            front = np.vstack([front, values[i]])
    return keep


def crowding_distance(values: Values) -> Values:
    """Crowding distance within one front (Deb et al. 2002), ``(n,)``; infinite at the ends.

    Each objective is scaled by its range in the front.
    """
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance

"""Which of many subnets are better: constrained domination, ranks and crowding."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def ranks(values: Values, violations: Values) -> NDArray[np.intp]:
    """Front of each point, ``(n,)``: 0 for those that none dominates, 1 for the next, ...

    Constrained domination (Deb et al. 2002, definition 1): a feasible point dominates an
    infeasible one; of two infeasible ones the one that violates less dominates; of two feasible
    ones the one that is nowhere worse and somewhere better.

    Args:
        values: ``(n, n_objectives)``, smaller is better.
        violations: ``(n,)``, 0 where feasible.
    """
    feasible = violations == 0
    rank = np.empty(len(values), dtype=np.intp)
    rank[feasible] = _pareto_ranks(values[feasible])
    n_fronts = rank[feasible].max(initial=-1) + 1
    rank[~feasible] = n_fronts + np.unique(violations[~feasible], return_inverse=True)[1].ravel()
    return rank


def _pareto_ranks(values: Values) -> NDArray[np.intp]:
    if len(values) == 0:
        return np.empty(0, dtype=np.intp)
    if values.shape[1] == 1:
        return np.unique(values, return_inverse=True)[1].ravel()
    # of equal points moocore puts each into a front of its own
    unique, which = np.unique(values, axis=0, return_inverse=True)
    return np.asarray(moocore.pareto_rank(unique), dtype=np.intp)[which.ravel()]


def nondominated(values: Values) -> NDArray[np.bool_]:
    """Which points no other point dominates, ``(n,)``; of equal points all."""
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    if values.shape[1] == 1:
        return np.asarray(values[:, 0] == values.min())
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


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

"""Which subnets live on to the next generation."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers._domination import Values, crowding_distance, ranks


class Survival(Protocol):
    """Picks survivors. Called by `Evolution` after each generation."""

    def __call__(self, values: Values, violations: Values, n: int) -> NDArray[np.intp]:
        """Return the indices of ``n`` survivors, the best first.

        Args:
            values: ``(m, n_objectives)``, smaller is better.
            violations: ``(m,)``, 0 where feasible.
            n: How many survive, at most ``m``.
        """


def rank_and_crowding(values: Values, violations: Values, n: int) -> NDArray[np.intp]:
    """NSGA-II (Deb et al. 2002): by front, within the last one by crowding distance."""
    rank = ranks(values, violations)
    distance = np.empty(len(values))
    for level in range(rank.max() + 1):
        front = rank == level
        distance[front] = crowding_distance(values[front])
    return np.lexsort((-distance, rank))[:n]

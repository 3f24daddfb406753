"""The survivors of a generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Positive, check_fields
from optuna_ofa.fronts import Values, crowding_distance, ranks


@runtime_checkable
class Survival(Protocol):
    """Picks survivors. Called by `Evolution` after each generation."""

    def __call__(self, costs: Values, violations: Values, n: int) -> NDArray[np.intp]:
        """Return the indices of ``n`` survivors, the best first.

        Args:
            costs: ``(m, n_objectives)``, smaller is better.
            violations: ``(m,)``, 0 where feasible.
            n: How many survive, at most ``m``.
        """


def rank_and_crowding(costs: Values, violations: Values, n: int) -> NDArray[np.intp]:
    """NSGA-II (Deb et al. 2002): by front, within the last one by crowding distance."""
    rank = ranks(costs, violations)
    distance = np.zeros(len(costs))
    for level in range(np.partition(rank, n - 1)[n - 1] + 1 if n else 0):
        front = rank == level
        distance[front] = crowding_distance(costs[front])
    return np.lexsort((-distance, rank))[:n]


@dataclass(frozen=True)
class CostBins:
    """The best of each bin of cost, then the second best of each, and so on.

    With latency tables, fronts are long and their slow end is easy; crowding alone lets whole
    ranges of latency die out. The cost is the second column, because maximised objectives come
    first; if both are minimised, or both maximised, it is the one that varies more relative to its
    size, as latency does compared with an error rate. The bins have equal width in its logarithm,
    and the best of a bin is the one that is best in the other column. Infeasible points come last,
    ordered by their violation. Unless there are exactly two objectives, it is `rank_and_crowding`.

    Args:
        n_bins: Number of bins between the lowest and the highest cost, at most one for each
            survivor; None is one for each.

    Raises:
        InvalidArgumentError: If there is no bin.
    """

    n_bins: Positive | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, costs: Values, violations: Values, n: int) -> NDArray[np.intp]:
        """Pick survivors, the best first."""
        if costs.shape[1] != 2:
            return rank_and_crowding(costs, violations, n)
        feasible = np.flatnonzero(violations == 0)
        quality, cost = _quality_and_cost(costs[feasible])
        bins = self._bins(cost, min(self.n_bins or n, max(n, 1)))
        order = np.lexsort((cost, quality, bins))
        place = places(bins[order])  # 0 for the best of each bin
        best_first = feasible[order[np.argsort(place, kind="stable")]]
        infeasible = np.argsort(violations, kind="stable")[len(feasible) :]
        return np.concatenate([best_first, infeasible])[:n]

    @staticmethod
    def _bins(cost: Values, n_bins: int) -> NDArray[np.intp]:
        if len(cost) == 0:
            return np.empty(0, dtype=np.intp)
        scale = np.log(cost) if cost.min() > 0 else cost
        width = max(float(np.ptp(scale)), 1e-12) / n_bins
        bins = ((scale - scale.min()) / width).astype(np.intp)
        return np.asarray(np.minimum(bins, n_bins - 1))


def _quality_and_cost(costs: Values) -> tuple[Values, Values]:
    first, second = costs.T
    if len(costs) == 0 or (first.max() > 0) != (second.max() > 0):
        return first, second
    spreads = [np.ptp(column) / max(np.abs(column).max(), 1e-12) for column in (first, second)]
    return (first, second) if spreads[1] >= spreads[0] else (second, first)


def places(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the position of each entry within its run of equal groups."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]][: len(groups)])
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))

"""Dynamic programming over buckets: all partial subnets that can still matter."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts.bounds._buckets import Bucket
from optuna_ofa.fronts.bounds._relaxation import Relaxed
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]


class States(NamedTuple):
    """Partial subnets: settings of some buckets, the cheapest first.

    Args:
        cost: ``(n,)`` their costs.
        loss: ``(n,)`` how much their settings lose to the best ones.
        rows: ``(n, n_genes)`` their genes; 0 in those of other buckets.
    """

    cost: Array
    loss: Array
    rows: Matrix

    def select(self, which: NDArray[np.intp]) -> States:
        """Return some of them."""
        return States._make(field[which] for field in self)


class Elimination:
    """All subnets whose sum is at most ``slack`` below the best, or better ones in their place.

    The sum of a subnet is its score minus ``price`` times its cost. Of two partial subnets that
    leave the same choices open, one that costs no more and has no smaller score takes the place
    of the other. Where more than ``most`` are left, neighbours are replaced by one with the lower
    cost and the larger score of both: there may be no such subnet, but none is better.

    Args:
        buckets: The buckets.
        found: The relaxation.
        one: Index of the sum.
        costs: For each bucket, ``shape`` costs.
        price: The price of the cost.
        slack: The largest loss.
        most: The largest number of states that leave the same choices open.
    """

    def __init__(
        self,
        buckets: Sequence[Bucket],
        found: Relaxed,
        one: int,
        *,
        costs: Sequence[Array],
        price: float,
        slack: float,
        most: int,
    ) -> None:
        self._buckets, self._price, self._slack, self._most = buckets, price, slack, most
        self._every = False
        self._losses = [found.losses(i, one) for i in range(len(buckets))]
        self._costs = costs
        self._n_genes = buckets[0].rows.shape[1]
        self._joined: dict[tuple[int, int], tuple[States, States, States]] = {}

    def count(self) -> float:
        """Return a number that the subnets with at most the slack do not exceed."""
        counts = [(loss <= self._slack).sum(axis=0).max() for loss in self._losses]
        return math.prod(map(float, counts))

    def states(self) -> States:
        """Return whole subnets, without the cost that the resolution alone determines."""
        found: list[dict[tuple[int, ...], States]] = []
        whole = self._nothing
        for i, bucket in enumerate(self._buckets):
            alike: dict[tuple[bytes, ...], States] = {}
            settings = itertools.product(*map(range, bucket.shape[1:]))
            found.append({later: self._of_bucket(i, later, found, alike) for later in settings})
            if bucket.is_root:
                whole = self._join(whole, found[i][()])
        return whole

    def every(self) -> States:
        """Return the same with all those whose place another one could take."""
        self._every = True
        return self.states()

    @property
    def _nothing(self) -> States:
        return States(np.zeros(1), np.zeros(1), np.zeros((1, self._n_genes), dtype=np.int16))

    def _of_bucket(
        self,
        i: int,
        later: tuple[int, ...],
        found: Sequence[Mapping[tuple[int, ...], States]],
        alike: dict[tuple[bytes, ...], States],
    ) -> States:
        """Return the states of a bucket and all before it, given settings of those after it."""
        bucket = self._buckets[i]
        place: tuple[Any, ...] = (slice(None), *later)
        cost, loss = self._costs[i][place], self._losses[i][place]
        if not bucket.children:
            key = (cost.tobytes(), loss.tobytes())
            if key not in alike:
                rows = np.zeros((len(cost), self._n_genes), dtype=np.int16)
                rows[:, bucket.columns] = bucket.values
                alike[key] = self._pruned(States(cost, loss, rows))
            return alike[key]
        parts = []
        for setting in np.flatnonzero(loss <= self._slack).tolist():
            chosen = dict(zip(bucket.scope, (setting, *later), strict=True))
            before = self._nothing
            for child in bucket.children:
                scope = self._buckets[child].scope[1:]
                before = self._join(before, found[child][tuple(chosen[k] for k in scope)])
            rows = before.rows.copy()
            rows[:, bucket.columns] = bucket.values[setting]
            parts.append(States(before.cost + cost[setting], before.loss + loss[setting], rows))
        if not parts:
            return self._nothing.select(np.empty(0, dtype=np.intp))
        return self._pruned(States(*(np.concatenate(field) for field in zip(*parts, strict=True))))

    def _join(self, one: States, other: States) -> States:
        """Return all pairs."""
        if _is_nothing(one):
            return other
        if _is_nothing(other):
            return one
        key = (id(one), id(other))
        if key not in self._joined:
            cost = np.add.outer(one.cost, other.cost).ravel()
            loss = np.add.outer(one.loss, other.loss).ravel()
            places = np.arange(len(cost))
            kept = self._kept(cost, loss)
            i, j = np.divmod(places[kept], max(len(other.cost), 1))
            pairs = States(cost[kept], loss[kept], one.rows[i] + other.rows[j])
            # with the two themselves, whose identities must not be used again
            self._joined[key] = one, other, self._thinned(pairs)
        return self._joined[key][2]

    def _pruned(self, states: States) -> States:
        return self._thinned(states.select(self._kept(states.cost, states.loss)))

    def _kept(self, cost: Array, loss: Array) -> NDArray[np.intp]:
        """Return which states can matter, the cheapest first."""
        small = np.flatnonzero(loss <= self._slack)
        if self._every:
            return small
        score = self._price * cost[small] - loss[small]
        order = np.lexsort((-score, cost[small]))
        best = np.maximum.accumulate(score[order])
        better = np.ones(len(best), dtype=bool)
        better[1:] = best[1:] > best[:-1]
        return small[order[better]]

    def _thinned(self, states: States) -> States:
        """Return at most as many states as allowed; costs and scores ascend."""
        n = len(states.cost)
        if n <= self._most or self._every:
            return states
        starts = np.linspace(0, n, self._most, endpoint=False).astype(np.intp)
        ends = np.append(starts[1:], n) - 1
        cost, best = states.cost[starts], states.select(ends)
        loss = best.loss - self._price * (best.cost - cost)
        return States(cost, loss, best.rows)


def _is_nothing(states: States) -> bool:
    return len(states.cost) == 1 and not (states.cost[0] or states.loss[0] or states.rows.any())

"""Linear bounds and dynamic programming in ranges of the cost, refined until they are close."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts.bounds._ascent import Ascent, Points, Sums, ascend, point_of
from optuna_ofa.fronts.bounds._relaxation import relax, settings_of
from optuna_ofa.fronts.bounds._states import Elimination, States
from optuna_ofa.fronts.bounds._steps import Steps
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]
# Takes genotypes, canonical or not; returns costs, scores and canonical genotypes of those that
# satisfy the constraints.
Evaluate = Callable[[Matrix], tuple[Array, Array, Matrix]]
_N_ROUNDS = 11
_MOST_STATES, _MOST_AT_LAST = 128, 1024
_MOST_LISTED = 4096
_WIDE = 30.0  # slack, in tolerances, with which a window is split without a closer look
_LEAST_SHARE = 0.01  # of a window, in each of its two parts


class Window(NamedTuple):
    """The subnets of one resolution whose costs are in a range.

    Args:
        resolution: Index of the resolution.
        low: The lowest cost.
        high: The highest cost; infinite for all subnets above the best one.
        left: A point of lower cost: scores of the best subnets, or about them.
        right: A point of higher cost.
    """

    resolution: int
    low: float
    high: float
    left: Points
    right: Points

    @property
    def is_open(self) -> bool:
        """Whether it has no upper end, and so cannot be split."""
        return bool(np.isinf(self.high))

    def split(self, near: Points) -> list[Window]:
        """Return the parts below and above a point, or halves if that is not inside."""
        share = (near.cost[0] - self.low) / (self.high - self.low)
        middle = (self.low + self.high) / 2
        if _LEAST_SHARE < share < 1 - _LEAST_SHARE:
            middle = float(near.cost[0])
        return [self._replace(high=middle), self._replace(low=middle)]


class Search:
    """The search for a bound that is close.

    Each resolution has its windows of the cost. In each, scores are bounded by lines; where these
    are above the best known subnets, dynamic programming finds all subnets that may be better. If
    they may be better by more than the tolerance, the window is split.

    Args:
        sums: What is maximised.
        evaluate: Evaluates subnets.
        tolerance: How close the bound shall be, in the unit of the score.
        cost_error: More than any rounding error of a cost.

    Attributes:
        known: The front of all subnets that were met.
        pieces: Points that no subnet is better than, unless a known one is.
    """

    def __init__(
        self, sums: Sums, evaluate: Evaluate, *, tolerance: float, cost_error: float
    ) -> None:
        self._sums, self._evaluate = sums, evaluate
        self._tolerance, self._error = tolerance, cost_error
        rows = np.empty((0, sums.buckets[0].rows.shape[1]), dtype=np.int16)
        self.known = Steps(np.empty(0), np.empty(0), rows)
        self.pieces: list[Steps] = []

    def run(self) -> None:
        """Find the bound."""
        windows = self._whole()
        for i in range(_N_ROUNDS):
            if windows:
                windows = self._round(windows, is_last=i == _N_ROUNDS - 1)

    def _meet(self, rows: Matrix) -> None:
        self.known = self.known.with_points(*self._evaluate(np.unique(rows, axis=0)))

    def _whole(self) -> list[Window]:
        """Return windows of whole resolutions."""
        sums, resolution = self._sums, np.arange(len(self._sums.pixels))
        relaxed = relax(sums.buckets, [-part for part in sums.cost.parts])
        chosen = settings_of(sums.buckets, relaxed)
        self._meet(sums.rows(resolution, chosen))
        cheapest = point_of(sums, resolution, chosen)
        beyond = np.full(len(resolution), np.inf)
        free = ascend(sums, resolution, cheapest, cheapest, beyond)
        self._meet(free.rows)
        windows = []
        for r in resolution.tolist():
            left, right = cheapest.one(r), free.near.one(r)
            low, high = float(left.cost[0]), float(right.cost[0])
            if high > low:
                windows.append(Window(r, low, high, left, right))
            windows.append(Window(r, max(low, high), np.inf, right, right))
        return windows

    def _round(self, windows: Sequence[Window], *, is_last: bool) -> list[Window]:
        """Return parts of the windows where the bound is not close yet."""
        found = self._ascend(windows)
        self._meet(found.rows)
        following = []
        for i, window in enumerate(windows):
            low, high = window.low - self._error, window.high + self._error
            price = float(found.price[i])
            # the scores of known subnets are those up to a cost and its error
            limit = self.known.lowest(price, low + 2 * self._error, high)
            slack = float(found.best[i]) - limit + price * 2 * self._error
            if slack <= 0:
                continue
            is_final = is_last or window.is_open
            if is_final or slack <= _WIDE * self._tolerance:
                piece = self._piece(window, found, i, slack, is_final)
                if self._excess(piece) <= self._tolerance or is_final:
                    self.pieces.append(piece)
                    continue
            following += window.split(found.near.one(i))
        return following

    def _ascend(self, windows: Sequence[Window]) -> Ascent:
        left = Points.joined([window.left for window in windows])
        right = Points.joined([window.right for window in windows])
        resolution = np.array([window.resolution for window in windows])
        middle = np.array([(window.low + window.high) / 2 for window in windows])
        return ascend(self._sums, resolution, left, right, middle)

    def _piece(self, window: Window, found: Ascent, i: int, slack: float, is_final: bool) -> Steps:
        """Return points that bound the subnets in a window, unless a known one is better."""
        elimination = Elimination(
            self._sums.buckets,
            found.relaxed,
            i,
            costs=[part[window.resolution] for part in self._sums.cost.parts],
            price=float(found.price[i]),
            slack=slack,
            most=_MOST_AT_LAST if is_final else _MOST_STATES,
        )
        if elimination.count() <= _MOST_LISTED:
            self._meet(self._states(window, found, i, elimination.every()).rows)
            return self.known.select(np.zeros(len(self.known.cost), dtype=bool))
        piece = self._states(window, found, i, elimination.states())
        piece = piece.select(piece.score > self.known(piece.cost + self._error))
        if len(piece.cost):
            self._meet(piece.rows)
        return piece

    def _states(self, window: Window, found: Ascent, i: int, states: States) -> Steps:
        """Return the states in a window as points."""
        cost = states.cost + self._sums.cost.rest[window.resolution]
        score = found.best[i] - states.loss + found.price[i] * cost
        states.rows[:, 0] = self._sums.pixels[window.resolution]
        inside = (cost >= window.low - self._error) & (cost <= window.high + self._error)
        return Steps(cost, score, states.rows).select(inside)

    def _excess(self, piece: Steps) -> float:
        over = piece.score - self.known(piece.cost + self._error)
        return float(over.max(initial=0.0))

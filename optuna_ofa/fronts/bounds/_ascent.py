"""Upper bounds that are linear: tangents of concave terms, and a price of the cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts.bounds._buckets import Bucket
from optuna_ofa.fronts.bounds._relaxation import Relaxed, picked, relax, settings_of
from optuna_ofa.fronts.bounds._tables import Table
from optuna_ofa.predictors import LogCurve
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]
_N_STEPS = 16
_TINY = 1e-9  # scores that differ by less are equal here


class Sums(NamedTuple):
    """What is maximised: a score, of which a part is concave in further costs.

    Args:
        buckets: The buckets of the space.
        pixels: ``(n_resolutions,)`` the resolutions.
        score: The part of the score that adds up.
        cost: The cost.
        curves: Concave terms, each with its cost.
    """

    buckets: tuple[Bucket, ...]
    pixels: NDArray[np.int16]
    score: Table
    cost: Table
    curves: tuple[tuple[LogCurve, Table], ...]

    def total(
        self, table: Table, resolution: NDArray[np.intp], chosen: Sequence[NDArray[np.intp]]
    ) -> Array:
        """Return one of the sums for chosen settings, ``(n,)``."""
        parts = [part[resolution] for part in table.parts]
        return table.rest[resolution] + picked(self.buckets, parts, chosen)

    def rows(self, resolution: NDArray[np.intp], chosen: Sequence[NDArray[np.intp]]) -> Matrix:
        """Return chosen settings as genotypes, ``(n, n_genes)``, not canonical."""
        rows = np.empty((len(resolution), self.buckets[0].rows.shape[1]), dtype=np.int16)
        rows[:, 0] = self.pixels[resolution]
        for bucket, setting in zip(self.buckets, chosen, strict=True):
            rows[:, bucket.columns] = bucket.values[setting]
        return rows


class Points(NamedTuple):
    """Subnets, or mixtures of some, ``n`` of them.

    Args:
        cost: ``(n,)`` costs.
        score: ``(n,)`` scores.
        curve_costs: ``(n_curves, n)`` costs of the concave terms.
    """

    cost: Array
    score: Array
    curve_costs: Array

    @staticmethod
    def joined(parts: Sequence[Points]) -> Points:
        """Return the points of several."""
        return Points(*(np.concatenate(of, axis=-1) for of in zip(*parts, strict=True)))

    def one(self, i: int) -> Points:
        """Return one of the points."""
        return Points(*(of[..., [i]] for of in self))

    def where(self, which: NDArray[np.bool_], other: Points) -> Points:
        """Return some of these points, and of another for the rest."""
        return Points(*(np.where(which, *of) for of in zip(self, other, strict=True)))


class Ascent(NamedTuple):
    """Linear bounds: score <= ``best - loss + price * cost`` for each subnet of the resolution.

    Args:
        best: ``(n,)``; for subnets without a loss.
        price: ``(n,)``.
        relaxed: The relaxation.
        near: The points near which the bounds are close.
        rows: Subnets that were met, not canonical.
    """

    best: Array
    price: Array
    relaxed: Relaxed
    near: Points
    rows: Matrix


def ascend(
    sums: Sums, resolution: NDArray[np.intp], left: Points, right: Points, cost: Array
) -> Ascent:
    """Return linear bounds that are close at given costs.

    The price is the slope between a point that costs less and one that costs more, which are
    replaced by better ones. The tangents touch at the costs of a mixture of all subnets that were
    preferred so far, with smaller shares for later ones (the Frank-Wolfe method). Whichever price
    and tangents it ends with, the bounds hold.

    Args:
        sums: What is maximised.
        resolution: ``(n,)`` indices of resolutions.
        left: Points of lower cost.
        right: Points of higher cost.
        cost: ``(n,)`` the costs; infinite for bounds of all subnets, whose price is 0.
    """
    touching, mean_cost = (left.curve_costs + right.curve_costs) / 2, np.zeros(len(cost))
    lowest, found = np.full(len(cost), np.inf), (touching, _slope(left, right))
    rows = []
    for step in range(_N_STEPS):
        price = _slope(left, right)
        best, relaxed = bounds(sums, resolution, price, touching)
        there = best + np.multiply(price, cost, out=np.zeros_like(cost), where=price > 0)
        is_lower = there < lowest
        lowest = np.where(is_lower, there, lowest)
        found = np.where(is_lower, touching, found[0]), np.where(is_lower, price, found[1])
        chosen = settings_of(sums.buckets, relaxed)
        rows.append(sums.rows(resolution, chosen))
        point = point_of(sums, resolution, chosen)
        above = point.score - price * point.cost > left.score - price * left.cost + _TINY
        left = point.where(above & (point.cost <= cost), left)
        right = point.where(above & (point.cost > cost), right)
        share = 2 / (step + 2)
        mean_cost = mean_cost + share * (point.cost - mean_cost)
        touching = touching + share * (point.curve_costs - touching)
    touching, price = found
    best, relaxed = bounds(sums, resolution, price, touching)
    near = Points(mean_cost, best + price * mean_cost, touching)
    return Ascent(best, price, relaxed, near, np.concatenate(rows))


def _slope(left: Points, right: Points) -> Array:
    width = np.maximum(right.cost - left.cost, 0.0)
    rise = np.maximum(right.score - left.score, 0.0)
    return np.divide(rise, width, out=np.zeros_like(rise), where=width > 0)


def bounds(
    sums: Sums, resolution: NDArray[np.intp], price: Array, touching: Array
) -> tuple[Array, Relaxed]:
    """Return the largest linear scores minus price x cost, ``(n,)``, and their relaxation.

    Args:
        sums: What is maximised.
        resolution: ``(n,)`` indices of resolutions.
        price: ``(n,)`` prices of the cost.
        touching: ``(n_curves, n)`` costs at which the tangents touch.
    """
    rest = sums.score.rest[resolution] - price * sums.cost.rest[resolution]
    weighted = [(-price, sums.cost)]
    for (curve, table), cost in zip(sums.curves, touching, strict=True):
        slope, offset = curve.tangent(cost)
        rest = rest + offset + slope * table.rest[resolution]
        weighted.append((slope, table))
    relaxed = relax(sums.buckets, list(_weighted(sums, resolution, weighted)))
    return relaxed.best + rest, relaxed


def _weighted(
    sums: Sums, resolution: NDArray[np.intp], weighted: Sequence[tuple[Array, Table]]
) -> Iterator[Array]:
    for i, bucket in enumerate(sums.buckets):
        part = sums.score.parts[i][resolution]
        for weight, table in weighted:
            factors = weight.reshape(-1, *(1 for _ in bucket.shape))
            part = part + factors * table.parts[i][resolution]
        yield part


def point_of(
    sums: Sums, resolution: NDArray[np.intp], chosen: Sequence[NDArray[np.intp]]
) -> Points:
    """Return chosen settings as points."""
    score = sums.total(sums.score, resolution, chosen)
    costs = []
    for curve, table in sums.curves:
        costs.append(sums.total(table, resolution, chosen))
        slope, offset = curve.tangent(costs[-1])
        score = score + offset + slope * costs[-1]
    n = len(resolution)
    return Points(sums.total(sums.cost, resolution, chosen), score, np.reshape(costs, (-1, n)))

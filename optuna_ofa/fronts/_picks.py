"""Representative points: the best under a few limits, or good ones that are far apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._front import Front
from optuna_ofa.fronts._pareto import cost_metric, nondominated
from optuna_ofa.fronts._point import FrontPoint
from optuna_ofa.problem import Metric

# Upper limits of the cost, named or not.
Limits = Sequence[float] | Mapping[str, float]
Picks = dict[str, FrontPoint | None]
Indices = NDArray[np.intp]
N_LIMITS = 5


def find_picks(
    front: Front, *, limits: Limits | None = None, picks: Mapping[str, FrontPoint] | None = None
) -> Picks:
    """Return the best points of a front under limits of its cost, and other chosen points.

    Args:
        front: A front that is not empty.
        limits: Upper limits in the cost's unit; those without names are called ``under 12 ms``.
            None takes five, evenly spaced from the fastest to the slowest point.
        picks: Other points by name, such as ``{"knee": front.knee()}``; they come last.

    Returns:
        A point for each name, in their order; None where no point is within the limit. A front
        without a cost has a single one, ``best``.

    Raises:
        InvalidArgumentError: If a limit is not a positive number, or there are limits and no cost.
    """
    metric = cost_metric(front.metrics)
    if metric is None:
        if limits:
            raise InvalidArgumentError(
                f"`limits` must be None for {', '.join(front.objectives)}, but got {limits!r}."
            )
        return {"best": front[0], **(picks or {})}
    if limits is None:
        limits = _even_limits(front, metric)
    of = front.metrics[metric]
    named = limits if isinstance(limits, Mapping) else {_words(of, x): x for x in limits}
    found = {name: _best(front, metric, limit) for name, limit in named.items()}
    return {**found, **(picks or {})}


def require_reached(limits: Limits | None, fronts: Sequence[Front]) -> None:
    """Refuse a limit that no point of any front is within, before anything is drawn or written.

    Args:
        limits: As in `find_picks`.
        fronts: Fronts of the same objectives, none of them empty.

    Raises:
        InvalidArgumentError: If there is such a limit; names the range of values.
    """
    metrics = fronts[0].metrics
    name = cost_metric(metrics)
    if name is None or not limits:
        return
    metric = metrics[name]
    costs = [metric.sign * point.values[name] for front in fronts for point in front]
    ends = [metric.amount(metric.sign * _rounded_up(x)) for x in (min(costs), max(costs))]
    for limit in limits.values() if isinstance(limits, Mapping) else limits:
        _check(metric, limit)
        if metric.sign * limit < min(costs):
            raise InvalidArgumentError(
                f"`limits` must be reached by a subnet that was found: {metric.title.lower()} is "
                f"from {' to '.join(ends)} on the front, but got {metric.amount(limit)}."
            )


def _even_limits(front: Front, metric: str) -> list[float]:
    """Return limits with three digits, the last of which includes the whole front."""
    sign = front.metrics[metric].sign
    costs = [sign * point.values[metric] for point in front]
    limits = np.linspace(min(costs), max(costs), N_LIMITS + 1)[1:].tolist()
    return list(dict.fromkeys(sign * _rounded_up(limit) for limit in limits))


def _rounded_up(value: float) -> float:
    if value == 0:
        return value
    digits = 2 - math.floor(math.log10(abs(value)))
    return float(round(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits, max(digits, 0)))


def _words(metric: Metric, limit: float) -> str:
    _check(metric, limit)
    return f"{'at least' if metric.maximize else 'under'} {metric.amount(limit)}"


def _best(front: Front, metric: str, limit: float) -> FrontPoint | None:
    _check(front.metrics[metric], limit)
    try:
        return front.best(**{metric: float(limit)})
    except EmptyFrontError:
        return None


def _check(metric: Metric, limit: float) -> None:
    is_number = isinstance(limit, Real) and not isinstance(limit, bool)
    if not is_number or not math.isfinite(limit) or (metric.is_built_in and limit <= 0):
        kind = "positive" if metric.is_built_in else "finite"
        raise InvalidArgumentError(f"`limits` must be {kind} numbers, but got {limit!r}.")


def promising(
    values: NDArray[np.float64], violations: NDArray[np.float64], free: NDArray[np.bool_], n: int
) -> Indices:
    """Pick points front by front, far from each other and from points that are not free.

    Args:
        values: ``(m, n_objectives)`` predictions, smaller is better.
        violations: ``(m,)``, 0 where feasible; infeasible points come last, the nearest first.
        free: ``(m,)`` whether a point may be picked; others are measured, or being measured.
        n: How many to pick.

    Returns:
        ``(k,)`` indices, the most informative first; ``k < n`` if there are too few.
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
    """Pick the free ends of a front, then repeatedly the point farthest from all others.

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


def _distances(points: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points - point, axis=1))

"""The subnets of a front that are worth showing: the best under a few limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._front import Front, FrontPoint
from optuna_ofa.problem import METRICS

# Upper limits of the cost, with or without names of their own.
Limits = Sequence[float] | Mapping[str, float]
Picks = dict[str, FrontPoint | None]
N_LIMITS = 5


def cost_metric(objectives: Sequence[str]) -> str | None:
    """Return the cost that limits are of: latency, or else the last one; None if there is none."""
    costs = [name for name in objectives if not METRICS[name].maximize]
    return "latency_ms" if "latency_ms" in costs else costs[-1] if costs else None


def find_picks(
    front: Front, *, limits: Limits | None = None, picks: Mapping[str, FrontPoint] | None = None
) -> Picks:
    """Return the best points of a front under limits of its cost, and others that were chosen.

    Args:
        front: A front that is not empty.
        limits: Upper limits in the cost's unit; those without names are called ``under 12 ms``.
            None takes five, evenly from the fastest to the slowest point.
        picks: Other points by name, such as ``{"knee": front.knee()}``; they come last.

    Returns:
        A point for each name, in their order; None where no point is within the limit. A front
        without a cost has one, ``best``.

    Raises:
        InvalidArgumentError: If a limit is not a positive number, or there are limits and no cost.
    """
    metric = cost_metric(front.objectives)
    if metric is None:
        if limits:
            raise InvalidArgumentError(
                f"`limits` must be None for {', '.join(front.objectives)}, but got {limits!r}."
            )
        return {"best": front[0], **(picks or {})}
    if limits is None:
        limits = _even_limits(front, metric)
    named = limits if isinstance(limits, Mapping) else {_words(metric, x): x for x in limits}
    found = {name: _best(front, metric, limit) for name, limit in named.items()}
    return {**found, **(picks or {})}


def _even_limits(front: Front, metric: str) -> list[float]:
    """Return limits with three digits, rounded up so that the last one holds the whole front."""
    costs = [point.values[metric] for point in front]
    limits = np.linspace(min(costs), max(costs), N_LIMITS + 1)[1:].tolist()
    return list(dict.fromkeys(_rounded_up(limit) for limit in limits))


def _rounded_up(value: float) -> float:
    if value <= 0:
        return value
    digits = 2 - math.floor(math.log10(value))
    return float(round(math.ceil(round(value * 10.0**digits, 6)) / 10.0**digits, max(digits, 0)))


def _words(metric: str, limit: float) -> str:
    _check(limit)
    return f"under {METRICS[metric].amount(limit)}"


def _best(front: Front, metric: str, limit: float) -> FrontPoint | None:
    _check(limit)
    try:
        return front.best(**{metric: float(limit)})
    except EmptyFrontError:
        return None


def _check(limit: float) -> None:
    is_number = isinstance(limit, Real) and not isinstance(limit, bool)
    if not is_number or not 0 < limit < math.inf:
        raise InvalidArgumentError(f"`limits` must be positive numbers, but got {limit!r}.")

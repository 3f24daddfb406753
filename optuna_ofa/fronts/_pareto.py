"""Pareto arithmetic: constrained domination, ranks, crowding and hypervolume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import moocore
import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa._rules import Rule
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import Metric, preferred

Values = NDArray[np.float64]
_MARGIN = 0.1  # of the range, by which a reference point is worse than a front


def ranks(values: Values, violations: Values) -> NDArray[np.intp]:
    """Return the front of each point, ``(n,)``: 0 for those that none dominates, then 1, ...

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
    # moocore puts each of several equal points into a separate front
    unique, which = np.unique(values, axis=0, return_inverse=True)
    return np.asarray(moocore.pareto_rank(unique), dtype=np.intp)[which.ravel()]


@checked
def nondominated(
    values: Annotated[Values, Rule("points, one a row", lambda values: values.ndim == 2)],
) -> NDArray[np.bool_]:
    """Return whether no other point dominates a point, ``(n,)``; of equal points, all."""
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    if values.shape[1] == 1:
        return np.asarray(values[:, 0] == values.min())
    return np.asarray(moocore.is_nondominated(values, keep_weakly=True), dtype=bool)


def crowding_distance(values: Values) -> Values:
    """Return the crowding distance within one front (Deb et al. 2002), ``(n,)``.

    Each objective is scaled by its range in the front. At the ends the distance is infinite.
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


def evenly(n: int, at_most: int) -> NDArray[np.intp]:
    """Return evenly spaced indices of ``n`` items, ``at_most`` so many, both ends included."""
    return np.linspace(0, n - 1, min(n, at_most)).astype(np.intp)


def beyond(front: Values, ranges: Values) -> Values:
    """Return a reference point for a front: its worst values and a tenth of the range beyond.

    This way the ends of the front count, and bad subnets tried early in a search do not.

    Args:
        front: ``(n, n_objectives)``, smaller is better.
        ranges: ``(n_objectives,)`` the range of each objective.
    """
    return np.asarray(front.max(axis=0) + _MARGIN * ranges)


def reference_of(values: Sequence[Values], metrics: Mapping[str, Metric]) -> dict[str, float]:
    """Return one reference point by objective for the fronts of several sets of points.

    Args:
        values: ``(n, n_objectives)`` of each set.
        metrics: The objectives by name, in their order.
    """
    signs = signs_of(metrics)
    front = np.concatenate([v[nondominated(v * signs)] for v in values]) * signs
    point = beyond(front, np.ptp(front, axis=0)) * signs
    return dict(zip(metrics, point.tolist(), strict=True))


def checked_reference(
    reference: Mapping[str, float], objectives: Iterable[str]
) -> dict[str, float]:
    """Return a reference point in the order of the objectives.

    Raises:
        InvalidArgumentError: If its names are not exactly the objectives.
    """
    objectives = list(objectives)
    if set(reference) != set(objectives):
        raise InvalidArgumentError(
            f"`reference` must have a value for each of {', '.join(objectives)}, but got "
            f"{dict(reference)}."
        )
    return {m: float(reference[m]) for m in objectives}


def signs_of(metrics: Mapping[str, Metric]) -> Values:
    """Return factors that make smaller better everywhere, ``(n_objectives,)``."""
    return np.array([metric.sign for metric in metrics.values()])


def hypervolume(
    values: Values, reference: Mapping[str, float], metrics: Mapping[str, Metric]
) -> float:
    """Return the hypervolume in the product of the objectives' units, 0 without points.

    Args:
        values: ``(n, n_objectives)``, in the order of ``reference``.
        reference: The reference point; points that are not better everywhere contribute nothing.
        metrics: The objectives by name.
    """
    if len(values) == 0:
        return 0.0
    maximise = [metrics[m].maximize for m in reference]
    return float(moocore.hypervolume(values, ref=[*reference.values()], maximise=maximise))


def cost_metric(metrics: Mapping[str, Metric]) -> str | None:
    """Return the objective that limits apply to and that a front is sorted by.

    It is the first cost in the order of `preferred`: latency, if it is an objective. Without a cost
    it is the last of several objectives, which has lower limits; None for a single objective.
    """
    names = preferred(metrics)
    cost = next((m for m in names if not metrics[m].maximize), None)
    return names[-1] if cost is None and len(names) > 1 else cost


def unit(metrics: Mapping[str, Metric]) -> str:
    """Return the unit of a hypervolume: ``% x ms``."""
    return " x ".join(metric.unit or metric.title.lower() for metric in metrics.values())


def limit_words(constraints: Mapping[str, float], metrics: Mapping[str, Metric]) -> str:
    """Return constraints in words: ``latency_ms ≤ 20 ms``; empty without any."""
    return ", ".join(
        f"{m} {metrics[m].relation} {metrics[m].amount(bound)}" for m, bound in constraints.items()
    )


def reference_words(reference: Mapping[str, float], metrics: Mapping[str, Metric]) -> str:
    """Return a reference point in words: ``top1 70 %, latency_ms 30 ms``."""
    return ", ".join(f"{m} {metrics[m].amount(float(f'{v:.4g}'))}" for m, v in reference.items())

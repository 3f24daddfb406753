"""The data of a drawing of a front."""

from __future__ import annotations

import datetime
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import KINDS, Findings, Front, evenly, hypervolume, reference_of
from optuna_ofa.problem import Kind, Metric

# More points make a file of many megabytes, in which single ones cannot be told apart.
MAX_OTHERS = 4000


class FrontInfo(NamedTuple):
    """The data of a drawing of a front.

    Args:
        front: The front.
        others: ``(n, n_objectives)`` values of the other feasible trials, at most 4,000 of them.
        n_others: How many there are in all.
        constraints: Bound of each constrained metric.
        metrics: The objectives and constrained metrics by name.
        kind: Whether the values are predicted or measured.
        title: Name of the study.
        hypervolume: Of the front, in the product of the objectives' units.
        reference: Its reference point by objective: the worst values on the fronts of both
            kinds, and a tenth of the range beyond.
        moment: When the last trial of the study finished.
    """

    front: Front
    others: NDArray[np.float64]
    n_others: int
    constraints: dict[str, float]
    metrics: dict[str, Metric]
    kind: Kind
    title: str
    hypervolume: float
    reference: dict[str, float]
    moment: datetime.datetime | None


def front_info(study: Findings, *, kind: Kind | None = None) -> FrontInfo:
    """Collect the data of `plot_front` of one kind."""
    found = study.snapshot()
    front = found.front(kind=kind)
    kind = cast("Kind", front[0].kind)
    results = {k: found.results(kind=k) for k in KINDS}
    feasible = {k: of.values[of.feasible] for k, of in results.items()}
    points = np.array([[p.values[m] for m in front.objectives] for p in front])
    on_front = set(map(tuple, points.tolist()))
    others = feasible[kind]
    others = others[[tuple(row) not in on_front for row in others.tolist()]]
    reference = reference_of([*feasible.values()], front.metrics)
    return FrontInfo(
        front,
        others[evenly(len(others), MAX_OTHERS)],
        len(others),
        dict(found.problem.constraints),
        dict(found.problem.metrics),
        kind,
        found.study_name,
        hypervolume(points, reference, front.metrics),
        reference,
        found.finished,
    )

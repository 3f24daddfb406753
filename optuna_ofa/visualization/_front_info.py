"""The data of a plot of a front."""

from __future__ import annotations

import datetime
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.data import Board
from optuna_ofa.fronts import (
    KINDS,
    Findings,
    Front,
    FrontPoint,
    evenly,
    hypervolume,
    is_unnamed,
    reference_of,
    shown_name,
)
from optuna_ofa.problem import Kind, Metric

# More points make a file of many megabytes and cannot be told apart.
MAX_OTHERS = 4000


class FrontInfo(NamedTuple):
    """The data of a plot of a front.

    Args:
        front: The front.
        others: ``(n, n_objectives)`` values of the other feasible trials, at most 4,000 of them.
        n_others: How many there are in total.
        constraints: Bound of each constrained metric.
        metrics: The objectives and constrained metrics by name.
        kind: Whether the values are predicted or measured.
        title: Name of the study, or of its family if the study was not given a name.
        is_unnamed: Whether the study was not given a name.
        hypervolume: Of the front, in the product of the objectives' units.
        reference: Its reference point by objective: the worst values on the fronts of both
            kinds, plus a tenth of the range.
        moment: When the last trial of the study finished.
        knee: The knee; None if the front has fewer than three points, or with two objectives if
            the knee would be one of its ends.
        noun: What a point is called: a subnet, or a configuration of a plain table.
        board: The microcontroller of the study.
    """

    front: Front
    others: NDArray[np.float64]
    n_others: int
    constraints: dict[str, float]
    metrics: dict[str, Metric]
    kind: Kind
    title: str
    is_unnamed: bool
    hypervolume: float
    reference: dict[str, float]
    moment: datetime.datetime | None
    knee: FrontPoint | None
    noun: str = "subnet"
    board: Board | None = None


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
        shown_name(found),
        is_unnamed(found),
        hypervolume(points, reference, front.metrics),
        reference,
        found.finished,
        _knee(front),
        found.space.noun,
        found.problem.board,
    )


def _knee(front: Front) -> FrontPoint | None:
    if len(front) < 3:
        return None
    knee = front.knee()
    at_end = any(
        knee.values[name] == (max if metric.maximize else min)(p.values[name] for p in front)
        for name, metric in front.metrics.items()
    )
    return None if len(front.metrics) == 2 and at_end else knee

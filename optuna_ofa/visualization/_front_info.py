"""What a drawing of a front shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Front, beyond, hypervolume, nondominated

if TYPE_CHECKING:
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy

# More points make a file of many megabytes, in which single ones cannot be told apart.
MAX_OTHERS = 4000
KINDS: tuple[Kind, ...] = ("predicted", "measured")


class FrontInfo(NamedTuple):
    """What a drawing of a front shows.

    Args:
        front: The front.
        others: ``(n, n_objectives)`` values of the other feasible trials, at most 4,000 of them.
        n_others: How many there are in all.
        constraints: Bound of each constrained metric.
        kind: Whether the values are predicted or measured.
        title: Name of the study.
        hypervolume: Of the front, in the product of the objectives' units.
        reference: Its reference point by objective: the worst values on the fronts of both
            kinds, and a tenth of the range beyond.
    """

    front: Front
    others: NDArray[np.float64]
    n_others: int
    constraints: dict[str, float]
    kind: Kind
    title: str
    hypervolume: float
    reference: dict[str, float]


def front_info(study: SubnetStudy, *, kind: Kind | None = None) -> FrontInfo:
    """Collect what `plot_front` draws of one kind.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
        InvalidArgumentError: If the study has both kinds and ``kind`` is None.
    """
    front = study.front(kind=kind)
    kind = cast("Kind", front[0].kind)
    results = study.results(kind=kind)
    values = results.values[results.feasible]
    points = np.array([[p.values[m] for m in front.objectives] for p in front])
    on_front = set(map(tuple, points.tolist()))
    others = values[[tuple(row) not in on_front for row in values.tolist()]]
    n_others = len(others)
    others = others[spread_out(n_others, MAX_OTHERS)]
    fronts = [of.values[of.feasible] for of in (study.results(kind=k) for k in KINDS)]
    fronts = [v[nondominated(v * study.problem.signs)] for v in fronts]
    reference = beyond(fronts, front.objectives)
    return FrontInfo(
        front,
        others,
        n_others,
        dict(study.problem.constraints),
        kind,
        study.study_name,
        hypervolume(points, reference),
        reference,
    )


def spread_out(n: int, at_most: int) -> NDArray[np.intp]:
    """Indices of ``n`` things, at most so many of them, spread evenly."""
    return np.linspace(0, n - 1, min(n, at_most)).astype(np.intp)

"""Which subnets are verified."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.space import Subnet
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._front import FrontPoint
from optuna_ofa.studies._promising import spread

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

Points = int | Iterable[FrontPoint | Subnet] | None


def chosen(study: SubnetStudy, points: Points) -> Matrix:
    """The genotypes of the points, each once, ``(n, n_genes)``; see `SubnetStudy.verify`.

    Raises:
        EmptyFrontError: If the predicted front is needed and empty.
        InvalidArgumentError: If ``points`` is no positive number and no subnets.
        InvalidSubnetError: If one is not of the study's space.
    """
    space = study.space
    if points is None or isinstance(points, int | np.integer):
        return space.to_matrix([p.subnet for p in _of_front(study, points)])
    subnets = [p.subnet if isinstance(p, FrontPoint) else p for p in points]
    wrong = [s for s in subnets if not isinstance(s, Subnet)]
    if wrong or not subnets:
        got = repr(wrong[0]) if wrong else "none"
        raise InvalidArgumentError(
            f"`points` must be a number of points, or points of a front or subnets, at least one, "
            f"but got {got}."
        )
    matrix = space.canonicalize(space.to_matrix(subnets))
    _, first = np.unique(matrix, axis=0, return_index=True)
    return matrix[np.sort(first)]


def _of_front(study: SubnetStudy, n: int | None) -> list[FrontPoint]:
    """All of the predicted front, or ``n`` far from each other, the same in every call."""
    if n is not None and (isinstance(n, bool) or n < 1):
        raise InvalidArgumentError(f"`points` must be at least 1, but got {n!r}.")
    front = study.front(kind="predicted")
    if n is None or n >= len(front):
        return list(front)
    values = np.array([[p.values[m] for m in front.objectives] for p in front])
    nothing = np.empty(0, dtype=np.intp)
    free = np.ones(len(front), dtype=bool)
    picked = spread(values * study.problem.signs, np.arange(len(front)), free, nothing, int(n))
    return [front[i] for i in sorted(picked.tolist())]

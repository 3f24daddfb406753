"""The best value of one metric that a search space can reach."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Matrix, SearchSpace

Predict = Callable[[Matrix], NDArray[np.float64]]


def best_reachable(
    space: SearchSpace,
    predict: Predict,
    *,
    maximize: bool,
    enough: float | None = None,
    n_random: int = 0,
) -> float:
    """Climb from the smallest and the largest subnet, one block or other gene at a time.

    For costs that add up over layers the kernel and the expand ratio of a block are tried together,
    and every resolution and depth is tried, so the result is the exact optimum unless widths are
    elastic; for other predictors it is a local one.

    Args:
        space: The subnets.
        predict: Takes ``(n, n_genes)`` genotypes and returns ``(n,)`` finite numbers.
        maximize: Whether larger is better.
        enough: A value that need not be exceeded; climbing stops there.
        n_random: How many random subnets are tried where climbing from the ends is not enough;
            climbing then continues from the best of them.
    """
    sign = -1.0 if maximize else 1.0
    goal = -np.inf if enough is None else sign * enough
    best = np.inf
    for row in space.to_matrix([space.smallest(), space.largest()]):
        best = min(best, _descend(space, predict, row, sign, goal))
        if best <= goal:
            return sign * best
    if n_random:
        rows = space.sample(n_random, seed=0)
        start = rows[int((sign * predict(rows)).argmin())]
        best = min(best, _descend(space, predict, start, sign, goal))
    return sign * best


def _descend(space: SearchSpace, predict: Predict, row: Matrix, sign: float, goal: float) -> float:
    best = np.inf
    while best > goal:
        candidates = np.concatenate([_moves(space, row, group) for group in _groups(space)])
        values = sign * predict(candidates)
        i = int(values.argmin())
        if values[i] >= best:
            return best
        best, row = float(values[i]), candidates[i]
    return best


def _groups(space: SearchSpace) -> list[list[int]]:
    """Columns that are changed together: those of a block, every other gene on its own."""
    groups: dict[object, list[int]] = {}
    for j, gene in enumerate(space.genes):
        groups.setdefault(gene.block if gene.block >= 0 else gene.name, []).append(j)
    return list(groups.values())


def _moves(space: SearchSpace, row: Matrix, columns: list[int]) -> Matrix:
    settings = list(itertools.product(*(space.choices[space.genes[j].name] for j in columns)))
    rows = np.repeat(row[None], len(settings), axis=0)
    rows[:, columns] = settings
    return space.canonicalize(rows)

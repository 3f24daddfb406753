"""The best value that a search space can reach, of one metric or of any function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Matrix, SearchSpace

Predict = Callable[[Matrix], NDArray[np.float64]]


class Reached(NamedTuple):
    """The best value that was found.

    Args:
        value: The value.
        row: ``(n_genes,)`` the subnet that has it.
    """

    value: float
    row: Matrix


def best_reachable(
    space: SearchSpace,
    predict: Predict,
    *,
    maximize: bool,
    enough: float | None = None,
    n_random: int = 0,
) -> Reached:
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
    best = Reached(np.inf, space.to_matrix([space.smallest()])[0])
    for row in _starts(space, predict, sign, n_random):
        best = min(best, _descend(space, predict, row, sign, goal), key=lambda found: found.value)
        if best.value <= goal:
            break
    return best._replace(value=sign * best.value)


def _starts(space: SearchSpace, predict: Predict, sign: float, n_random: int) -> Iterator[Matrix]:
    yield from space.to_matrix([space.smallest(), space.largest()])
    if n_random:
        rows = space.sample(n_random, seed=0)
        yield rows[int((sign * predict(rows)).argmin())]


def _descend(
    space: SearchSpace, predict: Predict, row: Matrix, sign: float, goal: float
) -> Reached:
    best = Reached(np.inf, row)
    while best.value > goal:
        candidates = np.concatenate([_moves(space, best.row, group) for group in _groups(space)])
        values = sign * predict(candidates)
        i = int(values.argmin())
        if values[i] >= best.value:
            return best
        best = Reached(float(values[i]), candidates[i])
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

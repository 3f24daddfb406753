"""Moves: changes of single genes, and several of them at once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers.evolution._breeding import settle
from optuna_ofa.samplers.evolution._survival import places
from optuna_ofa.space import Matrix, SearchSpace


class Moves(NamedTuple):
    """Subnets that differ from a point in one gene.

    Args:
        children: ``(n, n_genes)`` canonical genotypes.
        parent: ``(n,)`` the index of the point that each differs from.
        gene: ``(n,)`` the gene; if it switches a block on or off, the block's genes differ too.
    """

    children: Matrix
    parent: NDArray[np.intp]
    gene: NDArray[np.intp]

    def select(self, which: NDArray[np.intp]) -> Moves:
        """Return some of the moves."""
        return Moves(self.children[which], self.parent[which], self.gene[which])


def all_moves(space: SearchSpace, points: Matrix, rng: np.random.Generator) -> Moves:
    """Return every change of one active gene of each point, those of a point in a row.

    Args:
        space: The search space.
        points: ``(m, n_genes)`` canonical genotypes.
        rng: Draws the genes of blocks that become active.
    """
    genes, values = _choices(space)
    changes = space.active_genes(points)[:, genes] & (points[:, genes] != values)
    parent, choice = np.nonzero(changes)
    children = points[parent]
    children[np.arange(len(parent)), genes[choice]] = values[choice]
    return Moves(settle(space, children, rng), parent, genes[choice])


def combined(space: SearchSpace, points: Matrix, moves: Moves, rng: np.random.Generator) -> Matrix:
    """Return each point that has moves with all of its moves; the first ones prevail.

    Args:
        space: The search space.
        points: ``(m, n_genes)`` canonical genotypes.
        moves: Moves of these, those of a point in a row.
        rng: Draws the genes of blocks that become active.
    """
    rows, place = points.copy(), places(moves.parent)
    for nth in range(place.max(initial=-1), -1, -1):
        children, parent, _ = moves.select(np.flatnonzero(place == nth))
        rows[parent] = np.where(children != points[parent], children, rows[parent])
    return settle(space, rows[moves.parent[place == 0]], rng)


def distances(space: SearchSpace, first: Matrix, second: Matrix) -> NDArray[np.intp]:
    """Return how many genes differ that are active in both, ``(n_first, n_second)``.

    Several moves at once lead at most as far as there are moves.
    """
    differ = first[:, None] != second
    differ &= space.active_genes(first)[:, None] & space.active_genes(second)
    return np.asarray(np.count_nonzero(differ, axis=2))


@cache
def _choices(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.int16]]:
    """Return every choice of every gene: the genes and the values."""
    pairs = [(j, c) for j, choices in enumerate(space.choices.values()) for c in choices]
    genes, values = np.array(pairs, dtype=np.intp).T
    return genes, values.astype(np.int16)

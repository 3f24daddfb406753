"""Steps of chains: the changes with the best estimates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._chains import N_LAST, Chains
from optuna_ofa.samplers.evolution._estimates import Estimator, Scored
from optuna_ofa.samplers.evolution._moves import Moves, all_moves, combined
from optuna_ofa.samplers.evolution._survival import places
from optuna_ofa.samplers.evolution._told import IsKnown, unknown
from optuna_ofa.samplers.evolution._weights import weighted
from optuna_ofa.space import Matrix, SearchSpace

# of each chain, how many single changes may be proposed where others have been evaluated before
_N_SPARE = 2 * N_LAST


def proposed(
    space: SearchSpace,
    chains: Chains,
    estimator: Estimator,
    recent: Scored,
    is_known: IsKnown,
    rng: np.random.Generator,
) -> Matrix:
    """Return subnets for the next step of all chains.

    A chain that starts has its start proposed, and one that is climbing the best changes of as many
    genes as it reaches, all at once. In its last step a chain has several single changes proposed.

    Args:
        space: The search space.
        chains: The chains.
        estimator: Estimates changes.
        recent: The latest results, for the estimator.
        is_known: Tells which subnets have results already.
        rng: Draws the genes of blocks that become active.

    Returns:
        ``(m, n_genes)`` different unknown subnets, in the order in which they are to be evaluated,
        fewer or more than ``chains.n_proposed``.
    """
    rows = chains.points.matrix[~chains.started]
    climbing = chains.select(chains.started)
    if len(climbing.reach):
        moves, gains = _by_gain(space, climbing, estimator, recent, rng)
        together = combined(space, climbing.points.matrix, _used(climbing, moves, gains), rng)
        alone = _single(climbing, moves, is_known)
        rows = np.concatenate([rows, together, alone])
    return rows[unknown(rows, is_known)]


def _by_gain(
    space: SearchSpace,
    chains: Chains,
    estimator: Estimator,
    recent: Scored,
    rng: np.random.Generator,
) -> tuple[Moves, Values]:
    """Return the moves of each chain, the best first, and by how much they lower its sum."""
    n, points = len(chains.reach), chains.points
    moves = all_moves(space, points.matrix, rng)
    rows = np.concatenate([points.matrix, moves.children])
    parent = np.concatenate([np.arange(n), moves.parent])
    sums = weighted(chains.weights[parent], *estimator(recent, points, rows, parent))
    gains = sums[moves.parent] - sums[n:]
    order = np.lexsort((-gains, moves.parent))
    return moves.select(order), gains[order]


def _used(chains: Chains, moves: Moves, gains: Values) -> Moves:
    """Return the moves that chains make at once: at most one of each gene, those that gain.

    Each chain has at least one, even if none gains, except in its last step.
    """
    able = np.flatnonzero(chains.reach[moves.parent] > 0)
    pairs = moves.parent[able] * moves.children.shape[1] + moves.gene[able]
    able = able[np.sort(np.unique(pairs, return_index=True)[1])]
    place = places(moves.parent[able])
    within = place < chains.reach[moves.parent[able]]
    return moves.select(able[within & ((gains[able] > 0) | (place == 0))])


def _single(chains: Chains, moves: Moves, is_known: IsKnown) -> Matrix:
    """Return single changes: those of last steps, then those that take the place of known ones."""
    likely = np.flatnonzero(places(moves.parent) < N_LAST + _N_SPARE)
    likely = likely[unknown(moves.children[likely], is_known)]
    place, parent = places(moves.parent[likely]), moves.parent[likely]
    is_last: NDArray[np.bool_] = (chains.reach[parent] == 0) & (place < N_LAST)
    order = np.lexsort((place, ~is_last))
    return moves.children[likely[order]]

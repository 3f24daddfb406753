"""Changes of single genes."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.samplers.evolution._moves import all_moves, combined, distances
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_every_active_gene_is_changed_to_every_other_choice(depth: int) -> None:
    row = SPACE.to_matrix([SPACE.subnet(depth=depth, kernel=3, expand=3)])
    moves = all_moves(SPACE, row, RNG)
    # the resolution, two depths for each of five stages, two kernels and ratios for each block
    assert len(moves.children) == 1 + 10 + 5 * depth * 4
    assert np.array_equal(SPACE.canonicalize(SPACE.check(moves.children)), moves.children)
    assert len(np.unique(moves.children, axis=0)) == len(moves.children)
    at = np.arange(len(moves.gene))
    assert (moves.children[at, moves.gene] != row[0, moves.gene]).all()
    assert (distances(SPACE, row, moves.children) == 1).all()


def test_moves_of_each_point_are_in_a_row() -> None:
    rows = SPACE.sample(20, seed=0)
    moves = all_moves(SPACE, rows, RNG)
    assert np.array_equal(moves.parent, np.sort(moves.parent))
    assert set(moves.parent.tolist()) == set(range(20))


def test_of_a_single_subnet_there_is_none() -> None:
    space = SPACE.restrict(resolution=224, depth=2, kernel=3, expand=3)
    assert len(all_moves(space, space.sample(2, seed=0), RNG).children) == 0


def test_several_moves_are_made_at_once_and_the_first_prevails() -> None:
    rows = SPACE.to_matrix([SPACE.subnet(depth=4, kernel=3, expand=3), SPACE.largest()])
    moves = all_moves(SPACE, rows, RNG)
    kernel, depth = 6, 1
    same = np.flatnonzero((moves.parent == 0) & (moves.gene == kernel))
    other = np.flatnonzero((moves.parent == 0) & (moves.gene == depth))[:1]
    chosen = moves.select(np.r_[same, other])
    (row,) = combined(SPACE, rows, chosen, RNG)
    assert row[kernel] == moves.children[same[0], kernel]
    assert row[depth] == moves.children[other[0], depth]
    assert (
        np.count_nonzero(row != rows[0])
        == np.count_nonzero(moves.children[other[0]] != rows[0]) + 1
    )


def test_points_without_moves_are_left_out() -> None:
    rows = SPACE.sample(3, seed=0)
    moves = all_moves(SPACE, rows, RNG)
    chosen = moves.select(np.flatnonzero(moves.parent == 1)[:1])
    assert np.array_equal(combined(SPACE, rows, chosen, RNG), chosen.children)


def test_genes_of_absent_blocks_are_no_distance() -> None:
    rows = SPACE.to_matrix([SPACE.subnet(depth=2), SPACE.subnet(depth=4), SPACE.largest()])
    assert distances(SPACE, rows, rows).tolist() == [[0, 5, 5], [5, 0, 0], [5, 0, 0]]

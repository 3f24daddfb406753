"""Starts of ascents."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._starts import draw_starts
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0")


def _population(space: SearchSpace = SPACE, n: int = 100) -> Scored:
    rows = space.sample(n, seed=0, uniform_over="sizes")
    sizes = rows.sum(axis=1).astype(float)
    return Scored(rows, np.column_stack([-np.log(sizes), sizes]), np.zeros(n))


def test_they_are_canonical_and_near_the_part_that_the_weights_suit() -> None:
    population = _population()
    small, large = np.tile([1e-3, 1.0], (200, 1)), np.tile([1.0, 1e-9], (200, 1))
    sizes = []
    for weights in (small, large):
        rows = draw_starts(SPACE, population, weights, np.random.default_rng(0))
        assert np.array_equal(SPACE.canonicalize(SPACE.check(rows)), rows)
        sizes.append(np.median(rows.sum(axis=1)))
    low, high = np.quantile(population.costs[:, 1], [0.2, 0.8])
    assert sizes[0] < low
    assert sizes[1] > high


def test_blocks_come_from_either_parent_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna_ofa.samplers.evolution._starts._NEW_BASIN", 0.0)
    monkeypatch.setattr("optuna_ofa.samplers.evolution._starts._RANDOM", 0.0)
    rows = SPACE.to_matrix([SPACE.subnet(kernel=3, expand=3), SPACE.subnet(kernel=7, expand=6)])
    population = Scored(rows, np.zeros((2, 2)), np.zeros(2))
    starts = draw_starts(SPACE, population, np.ones((200, 2)), np.random.default_rng(0))
    kernels, ratios = starts[:, 6:26], starts[:, 26:]
    assert ((kernels == 3) == (ratios == 3)).all()
    assert len(np.unique(starts, axis=0)) > 2


def test_a_share_has_a_new_gene_that_is_not_of_a_block() -> None:
    rows = np.repeat(SPACE.to_matrix([SPACE.subnet(depth=3, resolution=176)]), 5, axis=0)
    population = Scored(rows, np.zeros((5, 2)), np.zeros(5))
    starts = draw_starts(SPACE, population, np.ones((1000, 2)), np.random.default_rng(0))
    n_new = (starts[:, :6] != rows[0, :6]).sum(axis=1)
    assert 0.2 < (n_new == 1).mean() < 0.5
    assert 0.05 < (n_new > 1).mean() < 0.2  # anywhere


def test_a_space_without_such_genes_has_starts_too() -> None:
    space = SPACE.restrict(resolution=224, depth=2)
    rows = draw_starts(space, _population(space), np.ones((9, 2)), np.random.default_rng(0))
    assert np.array_equal(space.canonicalize(space.check(rows)), rows)

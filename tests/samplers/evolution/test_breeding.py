"""Children of a population."""

from __future__ import annotations

import numpy as np

from optuna_ofa.samplers import Breeding, ResetMutation, UniformCrossover, tournament
from optuna_ofa.samplers.evolution._breeding import settle
from optuna_ofa.space import SearchSpace


def test_children_are_canonical_subnets_near_their_parents(space: SearchSpace) -> None:
    population = space.sample(20, seed=0)
    values = np.random.default_rng(1).random((20, 2))
    breeding = Breeding(
        mating=tournament, crossover=UniformCrossover(0.5, 0.25), mutation=ResetMutation(1.0)
    )
    rows, parent = breeding(space, population, values, 400, np.random.default_rng(2))
    assert np.array_equal(space.canonicalize(space.check(rows)), rows)
    near = (rows == population[parent]).mean()
    far = (rows == population[np.roll(parent, 1)]).mean()
    assert near > far


def test_stronger_breeding_changes_more(space: SearchSpace) -> None:
    population = space.sample(20, seed=0)
    values = np.zeros((20, 2))
    breeding = Breeding(crossover=UniformCrossover(0.0), mutation=ResetMutation(1.0))
    changed = []
    for strength in (1, 5):
        rows, parent = breeding(space, population, values, 400, np.random.default_rng(2), strength)
        changed.append((rows != population[parent]).mean())
    assert changed[1] > 2 * changed[0]


def test_blocks_that_become_active_are_drawn() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    rows = np.repeat(space.to_matrix([space.smallest()]), 300, axis=0)
    depth = [gene.name for gene in space.genes].index("stage1.depth")
    rows[:, depth] = 4
    settled = settle(space, rows, np.random.default_rng(0))
    kernel = [gene.name for gene in space.genes].index("stage1.block4.kernel")
    assert set(settled[:, kernel].tolist()) == {3, 5, 7}
    assert np.array_equal(space.canonicalize(settled), settled)

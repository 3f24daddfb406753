"""Crossover and mutation."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.samplers import ResetMutation, UniformCrossover
from optuna_ofa.samplers.evolution._variation import random_genes
from optuna_ofa.space import SearchSpace


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_each_gene_comes_from_a_parent(space: SearchSpace) -> None:
    first, second = space.sample(50, seed=1), space.sample(50, seed=2)
    children = UniformCrossover()(first, second, rng())
    assert ((children == first) | (children == second)).all()


@pytest.mark.parametrize(
    ("crossover", "share"),
    [
        pytest.param(UniformCrossover(probability=0.0), 0.0, id="never"),
        pytest.param(UniformCrossover(probability=1.0, swap=0.0), 0.0, id="swap-nothing"),
        pytest.param(UniformCrossover(probability=1.0, swap=1.0), 1.0, id="swap-all"),
        pytest.param(UniformCrossover(probability=0.8, swap=0.5), 0.4, id="both"),
    ],
)
def test_share_of_the_second_parent(crossover: UniformCrossover, share: float) -> None:
    zeros, ones = np.zeros((2000, 40), np.int16), np.ones((2000, 40), np.int16)
    assert crossover(zeros, ones, rng()).mean() == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("name", ["probability", "swap"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_probabilities_outside_of_0_to_1_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{name}` must be between 0 and 1, but got"):
        UniformCrossover(**{name: value})


def test_mutants_belong_to_the_space(space: SearchSpace) -> None:
    rows = space.sample(200, seed=1)
    mutants = space.canonicalize(ResetMutation(10.0)(space, rows, rng()))
    assert np.array_equal(space.check(mutants), mutants)


def test_mutants_have_0_in_absent_blocks_or_a_choice(space: SearchSpace) -> None:
    mutants = ResetMutation(10.0)(space, space.sample(200, seed=1), rng())
    for j, gene in enumerate(space.genes):
        allowed = {*space.choices[gene.name], 0} if space.block_genes[j] else set(gene.choices)
        assert set(mutants[:, j].tolist()) <= allowed


@pytest.mark.parametrize("genes", [1.0, 5.0])
def test_expected_number_of_mutations(genes: float) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    rows = np.tile(space.to_matrix([space.largest()]), (4000, 1))
    changed = ResetMutation(genes)(space, rows, rng()) != rows
    # a gene that is drawn anew keeps its value with the chance of one choice
    kept = np.array([1 / len(space.choices[g.name]) for g in space.genes])
    expected = genes * (1 - kept).mean()
    assert changed.sum(axis=1).mean() == pytest.approx(expected, rel=0.05)


def test_no_mutation_changes_nothing(space: SearchSpace) -> None:
    rows = space.sample(50, seed=1)
    assert np.array_equal(ResetMutation(0.0)(space, rows, rng()), rows)


def test_mutation_leaves_its_argument_alone() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    rows = space.sample(50, seed=1)
    before = rows.copy()
    ResetMutation(10.0)(space, rows, rng())
    assert np.array_equal(rows, before)


def test_a_negative_number_of_genes_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`genes` must be a number of at least 0"):
        ResetMutation(-1.0)


def test_random_genes_are_uniform_over_the_choices(space: SearchSpace) -> None:
    drawn = random_genes(space, 6000, rng())
    for j, gene in enumerate(space.genes):
        values, counts = np.unique(drawn[:, j], return_counts=True)
        assert values.tolist() == list(space.choices[gene.name])
        assert counts / 6000 == pytest.approx(np.full(len(values), 1 / len(values)), abs=0.04)

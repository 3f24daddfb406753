"""Random subnets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import SearchSpace, families

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
UNIFORM_OVER: list[Any] = ["choices", "subnets", "sizes"]


def chi_square(counts: Any, expected: Any) -> float:
    """The statistic divided by its degrees of freedom, about 1 where the counts fit."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    return float(((counts - expected) ** 2 / expected).sum() / (len(counts) - 1))


@pytest.mark.parametrize("uniform_over", UNIFORM_OVER)
@pytest.mark.parametrize("family", FAMILIES)
def test_samples_are_canonical_and_of_the_space(family: str, uniform_over: Any) -> None:
    space = SearchSpace(family).restrict(expand=SearchSpace(family).family.expands[1:])
    matrix = space.sample(300, seed=0, uniform_over=uniform_over)
    np.testing.assert_array_equal(space.canonicalize(space.check(matrix)), matrix)
    assert matrix.dtype == np.int16


@pytest.mark.parametrize("uniform_over", UNIFORM_OVER)
def test_a_seed_gives_the_same_subnets(uniform_over: Any) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    one, same, other = (
        space.sample(20, seed=seed, uniform_over=uniform_over) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_generator_goes_on() -> None:
    space, rng = SearchSpace("ofa_mbv3_w1.0"), np.random.default_rng(0)
    assert not np.array_equal(space.sample(5, seed=rng), space.sample(5, seed=rng))


@pytest.mark.parametrize("name", ["resolution", "stage2.depth", "stage2.block1.kernel"])
def test_every_choice_is_as_likely(name: str) -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    column = [gene.name for gene in space.genes].index(name)
    drawn = space.sample(20_000, seed=0)[:, column]
    counts = [(drawn == choice).sum() for choice in space.choices[name]]
    assert sum(counts) == 20_000
    assert chi_square(counts, [20_000 / len(counts)] * len(counts)) < 3


def test_every_subnet_is_as_likely() -> None:
    fixed = {f"stage{s}.depth": 2 for s in range(2, 6)}
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(
        kernel=[3, 5],
        expand=3,
        parameters=fixed
        | {f"stage{s}.block{b}.kernel": 3 for s in range(2, 6) for b in range(1, 5)},
    )
    assert space.n_subnets == 2**2 + 2**3 + 2**4
    matrix = space.sample(28_000, seed=0, uniform_over="subnets")
    _, counts = np.unique(matrix, axis=0, return_counts=True)
    assert len(counts) == 28
    assert chi_square(counts, [1000] * 28) < 2


def test_deep_subnets_are_frequent_among_all_subnets() -> None:
    space = SearchSpace("ofa_resnet50")
    weights = np.array([3**4, 3**5, 3**6]) / (3**4 + 3**5 + 3**6)
    column = [gene.name for gene in space.genes].index("stage3.depth")
    drawn = space.sample(20_000, seed=0, uniform_over="subnets")[:, column]
    assert chi_square(np.bincount(drawn, minlength=3), weights * 20_000) < 4


def test_sizes_reach_from_the_smallest_to_the_largest() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224)
    macs = CostPredictor("n_macs", space)
    low, high = macs.predict(space.to_matrix([space.smallest(), space.largest()]))
    tenths = {}
    for uniform_over in UNIFORM_OVER:
        drawn = macs.predict(space.sample(5_000, seed=0, uniform_over=uniform_over))
        counts, _ = np.histogram((drawn - low) / (high - low), bins=10, range=(0, 1))
        tenths[uniform_over] = counts / 5_000
    assert tenths["sizes"].min() > 0.05
    assert tenths["sizes"].max() < 0.25
    for others in ("choices", "subnets"):
        assert tenths[others].min() < 0.001


def test_none() -> None:
    assert SearchSpace("ofa_resnet50").sample(0).shape == (0, 30)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`n` must be a whole number of at least 0, but"):
        SearchSpace("ofa_mbv3_w1.0").sample(-1)


def test_unknown_distribution_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`uniform_over` must be .* but got 'depths'"):
        SearchSpace("ofa_mbv3_w1.0").sample(1, uniform_over="depths")  # type: ignore[arg-type]

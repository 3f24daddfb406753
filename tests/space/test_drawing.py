"""The subnets that a search starts from."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.costs import LayerSum, layer_params
from optuna_ofa.space import SearchSpace


def start(space: SearchSpace, n: int) -> np.ndarray:
    return space.stratified(n, np.random.default_rng(0))


def test_the_smallest_and_the_largest_come_first(space: SearchSpace) -> None:
    assert space.from_matrix(start(space, 30)[:2]) == [space.smallest(), space.largest()]


def test_rows_are_canonical_subnets_of_the_space(space: SearchSpace) -> None:
    rows = start(space, 100)
    assert np.array_equal(space.canonicalize(space.check(rows)), rows)


def test_the_subnets_differ(space: SearchSpace) -> None:
    assert len(np.unique(start(space, 100), axis=0)) > 95


def test_sizes_are_spread_between_the_ends() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    n_params = LayerSum(space, lambda layer, _: layer_params(layer))(start(space, 100))
    share = (n_params - n_params.min()) / np.ptp(n_params)
    counts, _ = np.histogram(share, bins=5)
    assert counts.min() >= 5


@pytest.mark.parametrize("n", [1, 2, 3])
def test_as_many_as_asked_for(n: int) -> None:
    assert len(start(SearchSpace("ofa_mbv3_w1.0"), n)) == n

"""Pairs of parents."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.samplers import Mating, NeighbourMating, tournament

MATINGS = [
    pytest.param(tournament, id="tournament"),
    pytest.param(NeighbourMating(), id="neighbours"),
    pytest.param(NeighbourMating(width=2.0, far=0.0), id="beyond-both-ends"),
]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("mating", MATINGS)
@pytest.mark.parametrize("n_survivors", [1, 2, 50])
def test_parents_are_survivors(mating: Mating, n_survivors: int) -> None:
    values = rng().random((n_survivors, 2))
    for parents in mating(values, 300, rng()):
        assert parents.shape == (300,)
        assert set(parents.tolist()) <= set(range(n_survivors))


def test_better_survivors_are_parents_more_often() -> None:
    first, second = tournament(np.zeros((10, 2)), 20_000, rng())
    counts = np.bincount(first, minlength=10) + np.bincount(second, minlength=10)
    # the k-th best of ten wins (19 - 2 k) of a hundred tournaments
    assert counts / 40_000 == pytest.approx((19 - 2 * np.arange(10)) / 100, abs=0.01)


def test_neighbours_are_near_in_an_objective() -> None:
    values = np.stack([rng().permutation(100), np.zeros(100)], axis=1).astype(float)
    values[:, 1] = values[:, 0]  # near in one is near in the other
    first, second = NeighbourMating(width=0.02, far=0.0)(values, 1000, rng())
    distance = np.abs(values[first, 0] - values[second, 0])
    assert distance.max() <= 10
    assert distance.max() > 0


def test_far_pairs_only_is_a_tournament() -> None:
    values = rng().random((30, 2))
    expected = tournament(values, 100, rng())
    assert np.array_equal(NeighbourMating(far=1.0)(values, 100, rng()), expected)


@pytest.mark.parametrize(
    "arguments",
    [{"width": -0.1}, {"far": -0.1}, {"far": 1.1}],
    ids=["width", "far-low", "far-high"],
)
def test_shares_outside_their_range_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{next(iter(arguments))}` must be a number"):
        NeighbourMating(**arguments)

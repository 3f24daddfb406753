"""The set of what was told."""

from __future__ import annotations

import numpy as np

from optuna_ofa.samplers.evolution._told import ToldSubnets
from optuna_ofa.space import SearchSpace, first_of_each, keys_of


def test_places_are_counted_in_the_order_of_telling() -> None:
    told = ToldSubnets()
    assert told.add(np.array([7, 3, 7, 5], np.uint64)).tolist() == [0, 1, 3]
    assert told.add(np.array([5, 1], np.uint64)).tolist() == [1]
    asked = np.array([1, 3, 5, 7, 9], np.uint64)
    assert told.contains(asked).tolist() == [True, True, True, True, False]
    assert told.contains(asked, before=2).tolist() == [False, True, False, True, False]
    assert len(told) == 4


def test_many_keys_in_pieces_are_as_a_python_set() -> None:
    rng = np.random.default_rng(0)
    told, expected = ToldSubnets(), dict[int, int]()
    for size in rng.integers(1, 700, size=40):
        keys = rng.integers(5000, size=size).astype(np.uint64)
        new = told.add(keys)
        fresh = [k for k in dict.fromkeys(keys.tolist()) if k not in expected]
        assert keys[new].tolist() == fresh
        expected.update(zip(fresh, range(len(expected), len(expected) + len(fresh)), strict=True))
    everything = np.arange(6000, dtype=np.uint64)
    for before in (None, 0, 100, len(expected)):
        limit = len(expected) if before is None else before
        found = [expected.get(key, limit) < limit for key in range(6000)]
        for part in (everything, *np.split(everything, 600)):  # many at once, and few
            answer = told.contains(part, before=before)
            assert answer.tolist() == [found[key] for key in part.tolist()]


def test_a_copy_goes_its_own_way() -> None:
    told = ToldSubnets()
    told.add(np.arange(5, dtype=np.uint64))
    told.copy().add(np.arange(10, dtype=np.uint64))
    assert not told.contains(np.array([7], np.uint64)).any()


def test_different_subnets_have_different_keys(space: SearchSpace) -> None:
    rows = np.unique(space.sample(100_000, seed=0), axis=0)
    neighbours = rows[:1].repeat(len(space.genes), axis=0)
    neighbours[np.diag_indices(len(space.genes))] += 1
    keys = keys_of(np.concatenate([rows, neighbours]))
    assert len(np.unique(keys)) == len(keys)
    assert np.array_equal(keys_of(rows), keys[: len(rows)])


def test_the_first_of_each_key() -> None:
    assert first_of_each(np.array([4, 2, 4, 9, 2], np.uint64)).tolist() == [0, 1, 3]

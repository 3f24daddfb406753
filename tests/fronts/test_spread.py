"""Picking points of a front that are far apart."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.fronts import far_apart, promising

FRONT = np.array([[0.0, 10.0], [1.0, 9.0], [5.0, 5.0], [7.0, 3.0], [10.0, 0.0]])
BEHIND = FRONT + 1.5


def pick(values: np.ndarray, n: int, *, taken: tuple[int, ...] = ()) -> list[int]:
    free = ~np.isin(np.arange(len(values)), taken)
    return promising(values, np.zeros(len(values)), free, n).tolist()


@pytest.mark.parametrize(
    ("n", "expected"), [(1, [0]), (2, [0, 4]), (3, [0, 4, 2]), (5, [0, 4, 2, 3, 1])], ids=str
)
def test_the_ends_come_first_then_the_middle(n: int, expected: list[int]) -> None:
    assert pick(FRONT, n) == expected


@pytest.mark.parametrize(
    ("taken", "expected"),
    [((0, 4), [2]), ((2,), [0]), ((0, 2, 4), [3]), ((0, 1, 2, 3, 4), [])],
    ids=str,
)
def test_what_is_taken_is_kept_away_from(taken: tuple[int, ...], expected: list[int]) -> None:
    assert pick(FRONT, 1, taken=taken) == expected


def test_one_front_after_the_other() -> None:
    values = np.concatenate([BEHIND, FRONT])
    assert sorted(pick(values, 5)) == [5, 6, 7, 8, 9]
    assert len(set(pick(values, 10))) == len(pick(values, 20)) == 10


def test_what_is_taken_dominates_still() -> None:
    values = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [5.0, 5.0]])
    assert sorted(pick(values, 2, taken=(0,))) == [1, 2]
    values[1] = 6.0
    assert pick(values, 1, taken=(0,)) == [2]


def test_infeasible_points_come_last_the_nearest_first() -> None:
    violations = np.array([0.3, 0.0, 0.1, 0.0, 0.2])
    free = np.array([True, True, True, True, False])
    assert promising(FRONT, violations, free, 5).tolist() == [1, 3, 2, 0]


@pytest.mark.parametrize("n_objectives", [1, 3])
def test_other_numbers_of_objectives(n_objectives: int) -> None:
    values = np.random.default_rng(0).random((50, n_objectives))
    picked = pick(values, 10)
    assert len(set(picked)) == 10
    assert set(values.argmin(axis=0).tolist()) <= set(picked)


def test_equal_points_are_picked_once_each() -> None:
    assert sorted(pick(np.ones((3, 2)), 5)) == [0, 1, 2]


def test_objectives_are_scaled_by_the_front() -> None:
    values = FRONT * [1.0, 1e6]
    free = np.ones(5, dtype=bool)
    front, none = np.arange(5), np.empty(0, dtype=np.intp)
    assert far_apart(values, front, free, none, 3).tolist() == [0, 4, 2]


def test_without_points_nothing_is_picked() -> None:
    assert pick(np.empty((0, 2)), 3) == []

"""What is picked for the hypervolume that it may add."""

from __future__ import annotations

import moocore
import numpy as np
import pytest

from optuna_ofa.samplers.models._improvement import pick_along, pick_improving

NONE = np.empty((0, 2))


def pick(values: object, known: object, n: int, std: object = None, **options: object) -> list[int]:
    values, known = np.array(values, dtype=float), np.array(known, dtype=float)
    std = np.zeros_like(values) if std is None else np.array(std, dtype=float)
    options = {"believed": known[:0], "optimism": 1.0} | options
    reachable = values - options["optimism"] * std
    return pick_improving(values, reachable, std, known, options["believed"], n).tolist()


def test_a_front_is_picked_from_its_ends_inwards() -> None:
    values = np.array([[0.0, 10], [1, 9], [5, 5], [9, 1], [10, 0], [10, 10]])
    assert pick_along(values, NONE, 3).tolist() == [0, 4, 2]
    assert pick_along(values, np.array([[0.0, 10], [5.1, 5]]), 2).tolist() == [0, 4]
    assert sorted(pick_along(values, NONE, 6).tolist()) == list(range(6))


def test_what_others_have_is_kept_away_from() -> None:
    values = np.array([[1.0, 9], [2, 8], [6, 4], [8, 2]])
    others = np.array([[0.0, 10], [10, 0], [8.1, 1.9]])
    assert pick_along(values, others, 2).tolist() == [2, 1]


def test_the_largest_gain_comes_first() -> None:
    known = [[0, 10], [10, 0]]
    assert pick([[9, 0.9], [5, 5], [2, 2], [8, 8]], known, 1) == [2]


def test_what_was_picked_counts_as_known() -> None:
    known = [[0, 10], [10, 0]]
    assert pick([[2, 2], [2.1, 2.1], [0.5, 6]], known, 2) == [0, 2]


def test_what_is_being_measured_counts_as_known() -> None:
    known = [[0, 10], [10, 0]]
    assert pick([[2, 2], [0.5, 6]], known, 1, believed=np.array([[1.9, 1.9]])) == [1]


def test_uncertain_points_are_taken_to_be_better() -> None:
    known, values = [[0, 10], [10, 0]], [[4, 4], [5, 5]]
    std = [[0, 0], [3, 3]]
    assert pick(values, known, 1, std, optimism=0.0) == [0]
    assert pick(values, known, 1, std, optimism=1.0) == [1]


def test_the_least_certain_comes_first_where_nothing_can_be_gained() -> None:
    known = [[0, 0], [10, 10]]
    assert pick([[5, 5], [6, 6], [7, 7]], known, 3, [[1, 1], [3, 3], [2, 2]], optimism=0.0) == [
        1,
        2,
        0,
    ]


def test_one_objective_takes_the_best() -> None:
    assert pick([[3], [1], [2]], [[4.0], [6.0]], 1) == [1]


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_picks_are_those_of_a_plain_greedy_choice(n_objectives: int) -> None:
    rng = np.random.default_rng(n_objectives)
    values = rng.random((40, n_objectives)) + 0.1
    values /= np.linalg.norm(values, axis=1, keepdims=True) ** 0.8  # all near one front
    known = np.concatenate([np.eye(n_objectives), np.full((1, n_objectives), 0.9)])
    front = known[np.asarray(moocore.is_nondominated(known))]
    reference = front.max(axis=0) + 0.1 * np.ptp(front, axis=0)
    expected: list[int] = []
    have = known
    for _ in range(5):
        before = moocore.hypervolume(have, ref=reference)
        gains = [
            -1.0
            if i in expected
            else moocore.hypervolume(np.concatenate([have, v[None]]), ref=reference) - before
            for i, v in enumerate(values)
        ]
        expected.append(int(np.argmax(gains)))
        have = np.concatenate([have, values[expected[-1:]]])
    assert pick(values, known, 5) == expected


def test_all_can_be_picked_once() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((30, 2))
    assert sorted(pick(values, rng.random((4, 2)), 30, rng.random((30, 2)))) == list(range(30))


def test_a_single_known_point_is_enough() -> None:
    assert pick([[2, 2], [0.5, 0.5]], [[1.0, 1.0]], 1) == [1]

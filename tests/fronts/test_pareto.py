"""Domination, fronts and crowding, against the definitions."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.fronts import Values, crowding_distance, nondominated, ranks


def better(a: Values, b: Values) -> bool:
    """Pareto domination of two points, as it is defined."""
    return bool(all(a <= b) and any(a < b))


def dominates_by_definition(values: Values, violations: Values, i: int, j: int) -> bool:
    if violations[i] == 0 and violations[j] == 0:
        return better(values[i], values[j])
    return bool(violations[i] < violations[j])


def ranks_by_definition(values: Values, violations: Values) -> list[int]:
    """Peel one front after another."""
    left, rank, level = set(range(len(values))), [-1] * len(values), 0
    while left:
        front = {
            j
            for j in left
            if not any(dominates_by_definition(values, violations, i, j) for i in left)
        }
        for j in front:
            rank[j] = level
        left, level = left - front, level + 1
    return rank


@pytest.fixture(params=["all-feasible", "some-infeasible", "none-feasible"])
def violations(request: pytest.FixtureRequest, points: Values) -> Values:
    drawn = np.random.default_rng(9).integers(0, 3, size=len(points)).astype(float)
    return {
        "all-feasible": np.zeros(len(points)),
        "some-infeasible": drawn,
        "none-feasible": drawn + 1,
    }[request.param]


def test_ranks_peel_one_front_after_another(points: Values, violations: Values) -> None:
    assert ranks(points, violations).tolist() == ranks_by_definition(points, violations)


def test_nondominated_are_those_that_nothing_dominates(points: Values) -> None:
    expected = [not any(better(a, b) for a in points) for b in points]
    assert nondominated(points).tolist() == expected


def test_nondominated_of_a_front_that_is_not_convex() -> None:
    x = np.linspace(0, 1, 50)
    front = np.stack([x, 1 - x**2], axis=1)  # a convex hull would keep its two ends only
    assert nondominated(np.concatenate([front, front + 0.01]))[:50].all()
    assert not nondominated(np.concatenate([front, front + 0.01]))[50:].any()


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_equal_points_are_all_nondominated(n_objectives: int) -> None:
    assert nondominated(np.ones((4, n_objectives))).all()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([[1, np.inf], [2, 3]], [True, True], id="first-is-best-in-one"),
        pytest.param([[1, np.inf], [2, np.inf]], [True, False], id="worse-in-one"),
        pytest.param([[np.inf, np.inf]], [True], id="alone"),
    ],
)
def test_nondominated_of_infinite_values(values: list[list[float]], expected: list[bool]) -> None:
    assert nondominated(np.array(values)).tolist() == expected


@pytest.mark.parametrize("n_objectives", [1, 2, 3])
def test_no_points_have_no_front(n_objectives: int) -> None:
    empty = np.empty((0, n_objectives))
    assert nondominated(empty).shape == (0,)
    assert ranks(empty, np.empty(0)).shape == (0,)


def test_crowding_distance_by_hand() -> None:
    values = np.array([[0.0, 10.0], [1.0, 5.0], [3.0, 4.0], [4.0, 0.0]])
    # (3 - 0) / 4 + (10 - 4) / 10 and (4 - 1) / 4 + (5 - 0) / 10
    assert crowding_distance(values) == pytest.approx([np.inf, 1.35, 1.25, np.inf])


def test_crowding_distance_of_equal_points_is_a_number() -> None:
    assert crowding_distance(np.ones((4, 2)))[1:-1].tolist() == [0, 0]


@pytest.mark.parametrize("n", [1, 2])
def test_crowding_distance_of_few_points_is_infinite(n: int) -> None:
    assert np.isinf(crowding_distance(np.arange(2.0 * n).reshape(n, 2))).all()

"""Survivors of a generation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Values, crowding_distance, ranks
from optuna_ofa.samplers import CostBins, Survival, rank_and_crowding

SURVIVALS = [
    pytest.param(rank_and_crowding, id="rank-and-crowding"),
    pytest.param(CostBins(5), id="cost-bins"),
]


@pytest.fixture
def violations(points: Values) -> Values:
    return np.random.default_rng(3).integers(0, 2, size=len(points)).astype(float)


@pytest.mark.parametrize("survival", SURVIVALS)
@pytest.mark.parametrize("n", [1, 30, 80])
def test_as_many_survive_as_shall(
    survival: Survival, points: Values, violations: Values, n: int
) -> None:
    assert len(set(survival(points, violations, n).tolist())) == n


@pytest.mark.parametrize("survival", SURVIVALS)
def test_feasible_points_survive_first(
    survival: Survival, points: Values, violations: Values
) -> None:
    n = int((violations == 0).sum())
    assert (violations[survival(points, violations, n)] == 0).all()


def test_better_fronts_survive_first(points: Values, violations: Values) -> None:
    rank = ranks(points, violations)
    kept = rank[rank_and_crowding(points, violations, 40)]
    assert kept.tolist() == sorted(rank.tolist())[:40]


def test_lonely_points_of_the_last_front_survive() -> None:
    front = np.array([[0.0, 9.0], [1.0, 8.0], [1.1, 7.9], [1.2, 7.8], [5.0, 4.0], [9.0, 0.0]])
    kept = rank_and_crowding(front, np.zeros(6), 3)
    assert set(kept.tolist()) == {0, 5, 1 + int(crowding_distance(front)[1:5].argmax())}


def best_of_bins(values: Values, rows: NDArray[np.intp], n_bins: int) -> list[int]:
    """The row with the best first objective in each bin of the last one's logarithm."""
    cost = np.log(values[:, 1])
    edges = np.linspace(cost.min(), cost.max(), n_bins + 1)
    bins = np.clip(np.searchsorted(edges, cost[rows], side="right") - 1, 0, n_bins - 1)
    return [min(rows[bins == b].tolist(), key=lambda i: values[i, 0]) for b in np.unique(bins)]


@pytest.fixture
def cloud() -> Values:
    """A quality, which is maximised, and a cost."""
    return np.random.default_rng(0).uniform(1, 50, size=(200, 2)) * [-1, 1]


def test_the_best_of_each_bin_survive_and_then_the_second_best(cloud: Values) -> None:
    best = best_of_bins(cloud, np.arange(200), 10)
    second = best_of_bins(cloud, np.setdiff1d(np.arange(200), best), 10)
    kept = CostBins(10)(cloud, np.zeros(200), 20).tolist()
    assert sorted(kept[:10]) == sorted(best)
    assert sorted(kept[10:]) == sorted(second)


def test_of_two_that_are_minimised_the_cost_is_the_one_that_varies_more(cloud: Values) -> None:
    errors = 60 + cloud[:, 0] / 10
    kept = CostBins(10)(cloud, np.zeros(200), 50).tolist()
    for columns in ([errors, cloud[:, 1]], [cloud[:, 1], errors]):
        assert CostBins(10)(np.stack(columns, axis=1), np.zeros(200), 50).tolist() == kept


@pytest.mark.parametrize("shift", [-25, -50], ids=["some-negative", "all-negative"])
def test_bins_of_costs_that_have_no_logarithm(cloud: Values, shift: float) -> None:
    shifted = cloud + np.array([0, shift])
    assert len(set(CostBins(10)(shifted, np.zeros(200), 50).tolist())) == 50


def test_bins_of_one_cost() -> None:
    values = np.stack([-np.arange(6.0), np.full(6, 3.0)], axis=1)
    assert CostBins(4)(values, np.zeros(6), 3).tolist() == [5, 4, 3]


def test_as_many_bins_as_survivors_leave_the_best_of_each(cloud: Values) -> None:
    best = best_of_bins(cloud, np.arange(200), 15)
    assert set(best) <= set(CostBins()(cloud, np.zeros(200), 15).tolist())


def test_infeasible_points_come_last_by_what_they_violate(cloud: Values) -> None:
    violations = np.zeros(200)
    violations[5:] = np.random.default_rng(2).random(195)
    kept = CostBins()(cloud, violations, 20)
    assert set(kept[:5].tolist()) == set(range(5))
    assert kept[5:].tolist() == np.argsort(violations)[5:20].tolist()


@pytest.mark.parametrize("violations", [0.0, 1.0], ids=["feasible", "infeasible"])
def test_cost_bins_of_one_point(violations: float) -> None:
    assert CostBins()(np.array([[1.0, 2.0]]), np.array([violations]), 1).tolist() == [0]


@pytest.mark.parametrize("n_objectives", [1, 3])
def test_cost_bins_of_other_than_two_objectives(n_objectives: int) -> None:
    values = np.random.default_rng(1).random((40, n_objectives)) + 1
    violations = np.zeros(40)
    expected = rank_and_crowding(values, violations, 20)
    assert CostBins()(values, violations, 20).tolist() == expected.tolist()


def test_no_bin_is_refused() -> None:
    with pytest.raises(
        InvalidArgumentError, match="`n_bins` must be a whole number of at least 1 or"
    ):
        CostBins(0)

"""Weighted sums of the objectives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._weights import local_weights, weighted
from optuna_ofa.space import SearchSpace

RNG = np.random.default_rng(0)


def _population(
    costs: NDArray[np.float64], violations: NDArray[np.float64] | None = None
) -> Scored:
    rows = SearchSpace("ofa_mbv3_w1.0").sample(len(costs), seed=0)
    return Scored(rows, costs, np.zeros(len(costs)) if violations is None else violations)


def _convex(n: int = 60) -> NDArray[np.float64]:
    cost = np.linspace(15, 95, n)
    return np.column_stack([-85 + 150 / cost, cost])


def test_some_point_of_the_front_has_the_least_sum_everywhere_along_it() -> None:
    costs = _convex()
    weights = local_weights(_population(costs), 500, RNG)
    best = (weights @ costs.T).argmin(axis=1)
    assert (weights > 0).all()
    counts = np.histogram(costs[best, 1], bins=4, range=(15, 95))[0]
    assert counts.min() > 60  # of 125


def test_the_slope_is_that_of_the_front() -> None:
    costs = _convex(400)
    weights = local_weights(_population(costs), 300, RNG)
    best = costs[(weights @ costs.T).argmin(axis=1), 1]
    inner = (best > 20) & (best < 90)
    slopes = weights[:, 1] / weights[:, 0]
    assert np.allclose(np.log(slopes[inner]), np.log(150 / best[inner] ** 2), atol=0.2)


def test_dominated_and_infeasible_points_play_no_role() -> None:
    costs = np.concatenate([_convex(), [[-10.0, 900.0]], [[-90.0, 1.0]]])
    violations = np.r_[np.zeros(61), 0.1]
    weights = local_weights(_population(costs, violations), 200, np.random.default_rng(1))
    alone = local_weights(_population(costs[:60]), 200, np.random.default_rng(1))
    assert np.array_equal(weights, alone)


@pytest.mark.parametrize("n_objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("n_points", [1, 2, 50])
def test_any_number_of_objectives_and_points(n_objectives: int, n_points: int) -> None:
    costs = np.random.default_rng(0).normal(size=(n_points, n_objectives))
    weights = local_weights(_population(costs), 7, RNG)
    assert weights.shape == (7, n_objectives)
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


def test_equal_points_are_no_obstacle() -> None:
    weights = local_weights(_population(np.zeros((5, 2))), 3, RNG)
    assert np.isfinite(weights).all()


def test_the_smallest_violation_has_the_least_sum() -> None:
    sums = weighted(np.array([1.0, 2.0]), np.array([[9.0, 9.0], [0, 0]]), np.array([0, 1e-7]))
    assert sums[0] < sums[1]

"""The best value that a space can reach, against listing all of a small one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.problem._reachable import best_reachable


@pytest.mark.parametrize("maximize", [False, True], ids=["smallest", "largest"])
@pytest.mark.parametrize("metric", ["n_macs", "n_params"])
@pytest.mark.parametrize("family", ["ofa_mbv3_w1.0", "ofa_proxyless_w1.3", "ofa_resnet50"])
def test_the_ends_of_a_whole_family(family: str, metric: str, maximize: bool) -> None:
    space = SearchSpace(family)
    predict = CostPredictor(metric, space).predict
    end = space.largest() if maximize else space.smallest()
    expected = predict(space.to_matrix([end]))[0]
    assert best_reachable(space, predict, maximize=maximize).value == expected


@pytest.mark.parametrize("maximize", [False, True], ids=["smallest", "largest"])
@pytest.mark.parametrize("seed", range(4))
def test_costs_that_do_not_grow_with_size(
    small_space: SearchSpace, seed: int, maximize: bool
) -> None:
    prices = np.random.default_rng(seed).normal(size=(5, 5))

    def predict(matrix: np.ndarray) -> np.ndarray:  # a price for each depth of each stage
        return np.asarray(prices[np.arange(5), matrix[:, 1:6]].sum(axis=1))

    everything = predict(small_space.enumerate())
    expected = everything.max() if maximize else everything.min()
    found = best_reachable(small_space, predict, maximize=maximize).value
    assert found == pytest.approx(expected, abs=1e-12)


def test_a_constant_is_reached(space: SearchSpace, predictor: Callable[..., Predictor]) -> None:
    predict = predictor("top1", space, lambda m: np.full(len(m), 70.0)).predict
    assert best_reachable(space, predict, maximize=True).value == 70.0


def test_climbing_ends_where_it_is_enough(small_space: SearchSpace) -> None:
    n_predicted = []

    def predict(matrix: np.ndarray) -> np.ndarray:
        n_predicted.append(len(matrix))
        return np.asarray(matrix.sum(axis=1), dtype=float)

    least = best_reachable(small_space, predict, maximize=False).value
    everything = sum(n_predicted)
    n_predicted.clear()
    assert best_reachable(small_space, predict, maximize=False, enough=1e9).value >= least
    assert sum(n_predicted) < everything / 2


def test_random_subnets_find_what_climbing_misses(space: SearchSpace) -> None:
    middle = np.median(space.sample(500, seed=1), axis=0)

    def distance(matrix: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(matrix - middle)[:, 1:].sum(axis=1))

    near = np.quantile(distance(space.sample(500, seed=2)), 0.05)

    def predict(matrix: np.ndarray) -> np.ndarray:  # ever worse towards a valley, then good
        away = distance(matrix)
        return np.asarray(np.where(away < near, away, 1000 - away), dtype=float)

    assert best_reachable(space, predict, maximize=False).value > 100
    assert best_reachable(space, predict, maximize=False, n_random=256).value < near


@pytest.mark.parametrize("maximize", [False, True], ids=["smallest", "largest"])
def test_arenas_of_a_small_space_are_the_ends_of_all(maximize: bool) -> None:
    space = SearchSpace("ofa_mbv3_fashion").restrict(
        kernel=[3, 7], expand=[3, 6], depth=2, resolution=28
    )
    predict = CostPredictor("sram_kb", space).predict
    everything = predict(space.enumerate())
    expected = everything.max() if maximize else everything.min()
    assert best_reachable(space, predict, maximize=maximize, n_random=256).value == expected

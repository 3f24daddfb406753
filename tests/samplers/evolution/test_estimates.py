"""Estimates from results."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.fronts import Values
from optuna_ofa.samplers import RidgeEstimator, Scored
from optuna_ofa.space import Matrix, SearchSpace


def told(space: SearchSpace, n: int, seed: int) -> Scored:
    matrix = np.unique(space.sample(n, seed=seed), axis=0)
    return Scored(matrix, *measure(space, matrix))


def measure(space: SearchSpace, matrix: Matrix) -> tuple[Values, Values]:
    macs = LayerSum(space, lambda layer, _: layer_macs(layer))(matrix) / 1e8
    params = LayerSum(space, lambda layer, _: layer_params(layer))(matrix) / 1e6
    return np.stack([-params, macs], axis=1), np.maximum(macs - macs.mean(), 0)


def test_estimates_rank_as_the_truth_does(space: SearchSpace) -> None:
    recent, parents, children = (told(space, n, seed) for n, seed in ((800, 0), (50, 1), (300, 2)))
    parent = np.random.default_rng(0).integers(len(parents.matrix), size=len(children.matrix))
    values, violations = RidgeEstimator(space)(recent, parents, children.matrix, parent)
    assert values.shape == children.costs.shape
    for estimated, true in zip(values.T, children.costs.T, strict=True):
        assert np.corrcoef(estimated, true)[0, 1] > 0.9
    assert (violations >= 0).all()
    assert np.corrcoef(violations, children.violations)[0, 1] > 0.8


def test_estimates_near_a_parent_share_its_error(space: SearchSpace) -> None:
    recent, parents = told(space, 800, 0), told(space, 50, 1)
    estimator, same = RidgeEstimator(space), np.arange(len(parents.matrix))
    shifted = parents._replace(costs=parents.costs + 10)
    plain, _ = estimator(recent, parents, parents.matrix, same)
    anchored, _ = estimator(recent, shifted, parents.matrix, same)
    assert anchored - plain == pytest.approx(5.0, abs=1e-3)


def test_few_results_are_enough_for_an_estimate(space: SearchSpace) -> None:
    recent = told(space, 3, 0)
    values, violations = RidgeEstimator(space)(recent, recent, recent.matrix, np.arange(3))
    assert np.isfinite(values).all()
    assert np.isfinite(violations).all()

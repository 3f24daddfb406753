"""Estimates of children from a problem's predictors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.samplers import PredictorEstimator, Scored
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


@pytest.fixture
def space() -> SearchSpace:
    """MobileNetV3 at one resolution."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


@pytest.fixture(autouse=True)
def _quiet(one_thread: None, quiet_optuna: None) -> None:
    """One thread, and Optuna reports warnings alone."""


def told(study: SubnetStudy, n: int, seed: int) -> Scored:
    matrix = np.unique(study.space.sample(n, seed=seed), axis=0)
    found = study.problem.evaluate(matrix)
    costs = study.problem.orientation.costs(found.values)
    return Scored(matrix, costs, study.problem.violations(found))


def test_models_without_an_error_give_the_predictions(make_study: Make) -> None:
    study = make_study(
        objectives=("n_params", "n_macs"), constraints={"n_macs": 3e8, "n_params": 5e6}
    )
    recent, children = told(study, 300, 0), told(study, 50, 1)
    parent = np.zeros(len(children.matrix), dtype=np.intp)
    values, violations = PredictorEstimator(study.problem)(recent, recent, children.matrix, parent)
    assert values == pytest.approx(children.costs)
    assert violations == pytest.approx(children.violations)


def test_predictors_without_a_model_are_estimated_from_results(make_study: Make) -> None:
    study = make_study(constraints={"latency_ms": 30.0, "n_macs": 3e8})
    recent, children = told(study, 800, 0), told(study, 100, 1)
    parent = np.zeros(len(children.matrix), dtype=np.intp)
    values, _ = PredictorEstimator(study.problem)(recent, recent, children.matrix, parent)
    for estimated, true in zip(values.T, children.costs.T, strict=True):
        assert np.corrcoef(estimated, true)[0, 1] > 0.8


def test_a_constraint_that_cannot_be_estimated_is_taken_to_hold(
    make_study: Make, space: SearchSpace
) -> None:
    study = make_study(objectives=("n_params", "n_macs"), constraints={"top1": 75.0})
    recent = told(study, 50, 0)
    parent = np.zeros(len(recent.matrix), dtype=np.intp)
    _, violations = PredictorEstimator(study.problem)(recent, recent, recent.matrix, parent)
    assert recent.violations.any()
    assert not violations.any()

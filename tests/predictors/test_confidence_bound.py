"""Predictions that are worse where they are uncertain."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError, PredictionError
from optuna_ofa.predictors import AccuracyPredictor, ConfidenceBound, CostPredictor, Predictor
from optuna_ofa.space import Matrix


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


@pytest.fixture(scope="module")
def accuracy(space: SearchSpace) -> AccuracyPredictor:
    rows = space.sample(60, seed=0)
    macs = CostPredictor("n_macs", space).predict(rows)
    return AccuracyPredictor.fit(space, rows, 60 + 5 * np.log(macs / 1e8))


class Cost(Predictor):
    """Multiply-adds with a deviation of a tenth of them, or one that is not known."""

    metric = "n_macs"

    def __init__(self, space: SearchSpace, std: float = 0.1) -> None:
        self.space, self._std = space, std

    def predict(self, matrix: Matrix) -> np.ndarray:
        return CostPredictor("n_macs", self.space).predict(matrix)

    def predict_std(self, matrix: Matrix) -> np.ndarray:
        return self._std * self.predict(matrix)


@pytest.mark.parametrize("k", [0.0, 1.0, 2.5])
def test_accuracies_are_lower(space: SearchSpace, accuracy: AccuracyPredictor, k: float) -> None:
    rows = space.sample(50, seed=1)
    expected = accuracy.predict(rows) - k * accuracy.predict_std(rows)
    bound = ConfidenceBound(accuracy, k)
    assert bound.metric == "top1"
    assert np.array_equal(bound.predict(rows), expected)


def test_costs_are_higher(space: SearchSpace) -> None:
    rows = space.sample(50, seed=1)
    bound = ConfidenceBound(Cost(space), k=2.0)
    assert bound.predict(rows) == pytest.approx(1.2 * Cost(space).predict(rows))


def test_a_bound_has_no_deviation_of_its_own(
    space: SearchSpace, accuracy: AccuracyPredictor
) -> None:
    assert ConfidenceBound(accuracy).predict_std(space.sample(3, seed=0)) is None


def test_the_local_model_is_right_at_its_anchors(
    space: SearchSpace, accuracy: AccuracyPredictor
) -> None:
    anchors, bound = space.sample(20, seed=1), ConfidenceBound(accuracy, 2.0)
    local = bound.local_model(anchors)
    assert local is not None
    assert local(anchors, np.arange(20)) == pytest.approx(bound.predict(anchors))


def test_there_is_no_local_model_where_the_predictor_has_none(space: SearchSpace) -> None:
    assert ConfidenceBound(Cost(space)).local_model(space.sample(3, seed=0)) is None


@pytest.mark.parametrize("k", [-1.0, np.nan, np.inf])
def test_k_is_no_negative_or_infinite_number(space: SearchSpace, k: float) -> None:
    with pytest.raises(InvalidArgumentError, match="`k` must be a number of at least 0"):
        ConfidenceBound(Cost(space), k)


def test_the_predictor_needs_deviations(space: SearchSpace) -> None:
    with pytest.raises(InvalidArgumentError, match="`predictor` must know its standard deviations"):
        ConfidenceBound(CostPredictor("n_macs", space))


def test_a_deviation_that_is_missing_is_an_error(space: SearchSpace) -> None:
    bound = ConfidenceBound(Cost(space, std=np.nan))
    with pytest.raises(PredictionError, match="`n_macs` must know the standard deviation"):
        bound.predict(space.sample(3, seed=0))


class Partly(Cost):
    """Deviations that are known for all rows but the first of several."""

    def predict_std(self, matrix: Matrix) -> np.ndarray:
        std = super().predict_std(matrix)
        std[: len(std) - 1] = np.nan
        return std


def test_one_deviation_that_is_missing_is_an_error(space: SearchSpace) -> None:
    bound = ConfidenceBound(Partly(space))
    rows = space.sample(3, seed=0)
    assert np.isfinite(bound.predict(rows[:1])).all()
    with pytest.raises(PredictionError, match="standard deviation of each prediction"):
        bound.predict(rows)

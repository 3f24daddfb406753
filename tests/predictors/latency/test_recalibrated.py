"""Latency predictors that a few measurements correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import LatencyTable, SearchSpace
from optuna_ofa.data import find_hardware
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import (
    CostPredictor,
    LatencyPredictor,
    NetworkLatencyPredictor,
    Predictor,
    facts_of,
    fit_correction,
    recalibrated,
)
from optuna_ofa.space import Matrix

SPACE = SearchSpace("ofa_mbv3_fashion")
SETUP = {
    "processor": "cpu family 26, model 2, model name AMD EPYC",
    "runtime": "torch",
    "versions": {"torch": "2.14.0"},
    "settings": {"threads": 1, "batch": 1},
}
PREDICTED = np.array([1.0, 1.4, 2.2, 3.0, 3.1, 4.5, 5.0, 6.6, 7.1, 8.0, 9.0, 9.5])


def correction(predicted: Any, measured: Any, lowest: float = 0.5) -> Any:
    return fit_correction(np.array(predicted), np.array(measured), lowest=lowest)


@pytest.fixture
def table() -> LatencyTable:
    found = find_hardware("cpu-torch", SPACE.family)
    assert isinstance(found, LatencyTable)
    return found


@pytest.fixture
def predictor(table: LatencyTable) -> LatencyPredictor:
    return LatencyPredictor(table=table, space=SPACE)


@pytest.mark.parametrize("n", [1, 3, 5, 12])
def test_a_scale_is_found_exactly(n: int) -> None:
    line = correction(PREDICTED[:n], 0.55 * PREDICTED[:n])
    assert line.scale == pytest.approx(0.55)
    assert line.offset_ms == 0.0
    assert line.mape == (
        pytest.approx(0.0, abs=1e-9) if n > 1 else pytest.approx(np.nan, nan_ok=True)
    )
    assert line.n == n


def test_few_points_get_a_scale_alone() -> None:
    assert correction(PREDICTED[:5], 0.3 + 0.5 * PREDICTED[:5]).offset_ms == 0.0


def test_more_points_get_an_offset_where_it_is_better() -> None:
    line = correction(PREDICTED, 0.3 + 0.5 * PREDICTED)
    assert line.scale == pytest.approx(0.5)
    assert line.offset_ms == pytest.approx(0.3)
    assert line.mape == pytest.approx(0.0, abs=1e-6)


def test_an_offset_below_which_no_latency_is_positive_is_none() -> None:
    line = correction(PREDICTED, PREDICTED - 0.6, lowest=0.5)  # -0.1 ms for the smallest
    assert line.offset_ms == 0.0
    assert line.scale > 0


@pytest.mark.parametrize("n", [3, 6, 12])
def test_a_spike_does_not_move_the_scale(n: int) -> None:
    measured = 0.55 * PREDICTED[:n]
    measured[1] *= 20
    line = correction(PREDICTED[:n], measured)
    assert line.scale == pytest.approx(0.55, rel=0.01)
    assert abs(line.offset_ms) < 0.01


def test_the_error_is_of_points_that_were_left_out() -> None:
    rng = np.random.default_rng(0)
    measured = 0.55 * PREDICTED[:5] * np.exp(0.1 * rng.standard_normal(5))
    ratios = measured / PREDICTED[:5]
    left_out = [np.median(np.delete(ratios, i)) / ratios[i] - 1 for i in range(5)]
    line = correction(PREDICTED[:5], measured)
    assert line.mape == pytest.approx(100 * np.abs(left_out).mean())
    assert line.rmse == pytest.approx(np.sqrt(np.mean(np.square(left_out))))
    fitted = np.abs(line.apply(PREDICTED[:5]) / measured - 1).mean() * 100
    assert line.mape > fitted


def test_the_choice_of_an_offset_is_left_out_too() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(200):  # on noise alone, the stated error is that of fresh measurements
        x = rng.uniform(1, 9, 9)
        y, fresh = (0.5 * x * np.exp(0.1 * rng.standard_normal(9)) for _ in range(2))
        line = correction(x, y)
        errors.append((line.mape, np.abs(line.apply(x) / fresh - 1).mean() * 100))
    stated, true = np.mean(errors, axis=0)
    assert stated == pytest.approx(true, rel=0.08)
    assert stated > true * 0.97


def test_a_table_becomes_a_predictor_of_the_device(
    predictor: LatencyPredictor, tmp_path: Path
) -> None:
    matrix = SPACE.sample(12, seed=0)
    found = recalibrated(predictor, matrix, 0.55 * predictor.predict(matrix), setup=SETUP)
    assert isinstance(found, NetworkLatencyPredictor)
    fresh = SPACE.sample(50, seed=1)
    np.testing.assert_allclose(found.predict(fresh), 0.55 * predictor.predict(fresh))
    history = found.metadata["recalibrated"]
    assert history["predictor_of"].startswith("AMD EPYC family 25 model 17, torch 2.13.0")
    assert (history["n_subnets"], history["scale"], history["offset_ms"]) == (12, 0.55, 0.0)
    assert found.metadata["processor"] == SETUP["processor"]
    assert found.metadata["anchor_ms"] is None  # that of the table is of its device
    found.save(tmp_path / "here.json")
    study = optuna_ofa.study(SPACE, hardware=tmp_path / "here.json", seed=0)
    opened = study.problem.predictors["latency_ms"]
    np.testing.assert_array_equal(opened.predict(fresh), found.predict(fresh))
    assert study.problem.facts("latency_ms")["recalibrated"] == history


def test_a_predictor_that_was_fitted_is_corrected_too(predictor: LatencyPredictor) -> None:
    matrix = SPACE.sample(30, seed=0)
    fitted = NetworkLatencyPredictor.fit(
        SPACE, matrix, 2 * predictor.predict(matrix), features="physical"
    )
    measured = 0.1 + 0.7 * fitted.predict(matrix)
    found = recalibrated(fitted, matrix, measured, setup=SETUP)
    fresh = SPACE.sample(20, seed=1)
    np.testing.assert_allclose(found.predict(fresh), 0.1 + 0.7 * fitted.predict(fresh))
    again = recalibrated(found, matrix, 2 * measured, setup={})
    np.testing.assert_allclose(again.predict(fresh), 2 * found.predict(fresh))
    assert again.metadata["recalibrated"]["predictor_of"].startswith("AMD EPYC family 26 model 2")
    assert again.metadata["processor"] is None


def test_deviations_are_those_of_left_out_measurements(predictor: LatencyPredictor) -> None:
    matrix = SPACE.sample(12, seed=0)
    noise = np.exp(0.1 * np.random.default_rng(0).standard_normal(12))
    found = recalibrated(predictor, matrix, predictor.predict(matrix) * noise, setup=SETUP)
    std = found.predict_std(matrix)
    assert std is not None
    np.testing.assert_allclose(std / found.predict(matrix), found.model.noise)  # type: ignore[attr-defined]
    assert 0.05 < std[0] / found.predict(matrix)[0] < 0.2


class Own(Predictor):
    """A user's predictor, without metadata."""

    metric = "latency_ms"

    def __init__(self, factor: float = 1.0) -> None:
        self.space, self._factor = SPACE, factor
        self._cost = CostPredictor("moved_mb", SPACE)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return self._factor * self._cost.predict(matrix)


def test_a_predictor_of_the_users_own_is_wrapped() -> None:
    matrix = SPACE.sample(4, seed=0)
    found = recalibrated(Own(), matrix, 3 * Own().predict(matrix), setup=SETUP)
    np.testing.assert_allclose(found.predict(matrix), Own(3.0).predict(matrix))
    study = optuna_ofa.study(SPACE, hardware=found, seed=0)
    study.search(n_trials=50)
    facts = study.problem.facts("latency_ms")
    assert facts["recalibrated"]["predictor_of"] == "unknown processor"
    assert facts["processor"] == SETUP["processor"]


def test_two_measurements_are_too_few(predictor: LatencyPredictor) -> None:
    with pytest.raises(InvalidArgumentError, match="at least 3 measured latencies, but has 2"):
        recalibrated(predictor, SPACE.sample(2, seed=0), np.ones(2), setup=SETUP)


def test_predictions_that_are_no_latencies_are_refused() -> None:
    matrix = SPACE.sample(3, seed=0)
    with pytest.raises(InvalidArgumentError, match="predicts 0 or less"):
        recalibrated(Own(0.0), matrix, np.ones(3), setup=SETUP)


def test_metadata_that_are_no_mapping_say_nothing() -> None:
    own = Own()
    own.metadata = "of my phone"  # type: ignore[attr-defined]
    assert facts_of(own) == {}

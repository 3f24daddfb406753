"""A Gaussian process at points of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa._json_format import decode_array
from optuna_ofa.predictors._rows import measured_rows
from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.predictors.gaussian_process import _sparse
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess
from optuna_ofa.predictors.gaussian_process._sparse import SparseGaussianProcess

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[192, 224])
MATRIX, OTHERS = SPACE.sample(150, seed=10), SPACE.sample(300, seed=11)


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    x = Thermometer(SPACE)(matrix).sum(axis=1)
    return np.asarray(70 + 8 * np.tanh(x / 50) + 0.1 * np.sin(x))


@pytest.fixture(scope="module")
def fitted() -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX), model="sparse_gaussian_process")


def test_points_at_the_rows_give_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = measured_rows(
        SPACE, MATRIX, top1_of(MATRIX) + np.random.default_rng(0).normal(0, 0.1, 150)
    )
    monkeypatch.setattr(SearchSpace, "sample", lambda *args, **kwargs: rows.matrix)
    whole, sparse = GaussianProcess.fit(SPACE, rows), SparseGaussianProcess.fit(SPACE, rows)
    np.testing.assert_allclose(sparse.predict(OTHERS), whole.predict(OTHERS), atol=0.01)
    np.testing.assert_allclose(sparse.predict_std(OTHERS), whole.predict_std(OTHERS), rtol=0.05)


def test_others_are_predicted_about_as_by_the_whole_process(fitted: AccuracyPredictor) -> None:
    whole = AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX))

    def error(predictor: AccuracyPredictor) -> float:
        return float(np.abs(predictor.model.predict(OTHERS) - top1_of(OTHERS)).mean())

    assert error(fitted) < 1.3 * error(whole)


def test_the_file_has_no_measured_subnet(fitted: AccuracyPredictor) -> None:
    data = fitted.model.to_dict()
    points = decode_array(data, "points", np.int16, (None, len(SPACE.genes)))
    assert not set(map(bytes, points)) & set(map(bytes, MATRIX))


def test_the_same_bits_after_loading(fitted: AccuracyPredictor, tmp_path: Any) -> None:
    fitted.save(tmp_path / "a.json")
    again = AccuracyPredictor.load(tmp_path / "a.json").model
    np.testing.assert_array_equal(again.predict(OTHERS), fitted.model.predict(OTHERS))
    np.testing.assert_array_equal(again.predict_std(OTHERS), fitted.model.predict_std(OTHERS))


@pytest.mark.parametrize("size", [1, 129, 299])
def test_the_same_bits_in_any_batch(fitted: AccuracyPredictor, size: int) -> None:
    together = fitted.model.predict(OTHERS)
    np.testing.assert_array_equal(fitted.model.predict(OTHERS[:size]), together[:size])


def test_tangents_are_exact_at_anchors_and_are_derivatives(fitted: AccuracyPredictor) -> None:
    model = fitted.model.local_model(OTHERS[:20])
    assert model is not None
    at = model(OTHERS[:20], np.arange(20))
    np.testing.assert_allclose(at, fitted.model.predict(OTHERS[:20]), atol=1e-9)
    posterior, x = fitted.model._posterior, fitted.model._inputs(OTHERS[:8])  # type: ignore[attr-defined]
    for j, slope in enumerate(posterior.tangents(x)[:, 1:].T):
        step = 1e-5 * (np.arange(x.shape[1]) == j)
        difference = posterior.means(x + step) - posterior.means(x - step)
        np.testing.assert_allclose(difference / 2e-5, slope, atol=1e-8)


def test_more_rows_than_a_whole_process_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_sparse, "_N_POINTS", 50)
    rows = measured_rows(SPACE, OTHERS, top1_of(OTHERS))
    model = SparseGaussianProcess.fit(SPACE, rows)
    assert model.predict(OTHERS[:2]).shape == (2,)

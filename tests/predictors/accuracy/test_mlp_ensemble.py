"""Networks on one-hot inputs that are fitted to measured subnets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.predictors import AccuracyPredictor, _mlp_training
from optuna_ofa.predictors._mlp_ensemble import MLPEnsemble
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
MATRIX = SPACE.sample(300, seed=0)
OTHERS = SPACE.sample(300, seed=1)


def top1_of(matrix: NDArray[np.int16], noise: float = 0.0) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    errors = np.random.default_rng(0).normal(0, noise, len(matrix))
    return np.asarray(60 + 0.02 * matrix.sum(axis=1) + errors)


@pytest.fixture(autouse=True, scope="module")
def few_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_mlp_training, "_N_STEPS", 200)
        yield


def fit(model: Any, seed: int = 0, noise: float = 0.0) -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX, noise), model=model, seed=seed)


@pytest.fixture(scope="module")
def ensemble(few_steps: None) -> AccuracyPredictor:
    return fit("ensemble")


def members(predictor: AccuracyPredictor) -> list[MLPEnsemble]:
    model = predictor.model
    assert isinstance(model, MLPEnsemble)
    return [MLPEnsemble(members=[member]) for member in model._members]


def test_the_prediction_is_the_mean_of_the_members(ensemble: AccuracyPredictor) -> None:
    parts = [member.predict(OTHERS) for member in members(ensemble)]
    assert len(parts) == 5
    np.testing.assert_allclose(ensemble.predict(OTHERS), np.mean(parts, axis=0))


def test_the_mean_is_better_than_its_members(ensemble: AccuracyPredictor) -> None:
    errors = [
        np.abs(p.predict(OTHERS) - top1_of(OTHERS)).mean() for p in (ensemble, *members(ensemble))
    ]
    assert errors[0] < np.mean(errors[1:])


def test_the_local_model_is_the_mean_of_tangents(ensemble: AccuracyPredictor) -> None:
    anchors, at = MATRIX[:50], np.arange(50)
    expected = [member.local_model(anchors)(OTHERS[:50], at) for member in members(ensemble)]
    model = ensemble.local_model(anchors)
    assert model is not None
    np.testing.assert_allclose(model(OTHERS[:50], at), np.mean(expected, axis=0))


def test_noise_is_in_the_standard_deviation(ensemble: AccuracyPredictor) -> None:
    certain, uncertain = ensemble.predict_std(OTHERS), fit("ensemble", noise=1).predict_std(OTHERS)
    assert certain is not None
    assert uncertain is not None
    assert np.median(uncertain) > 0.7
    assert np.median(certain) < np.median(uncertain) / 2


def test_a_network_alone_has_no_standard_deviation() -> None:
    assert fit("mlp").predict_std(OTHERS) is None


@pytest.mark.parametrize("model", ["mlp", "ensemble"])
def test_the_seed_decides(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mlp_training, "_N_STEPS", 10)
    first, again, other = (fit(model, seed).predict(OTHERS) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)

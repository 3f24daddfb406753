"""Ridge regression on measured subnets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
MATRIX = SPACE.sample(300, seed=0)


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


def fit(matrix: NDArray[np.int16], top1: Any, **options: Any) -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, matrix, top1, model="ridge", **options)


def test_repeats_are_averaged() -> None:
    values = top1_of(MATRIX)
    twice = np.concatenate([MATRIX, MATRIX[:50]])
    noisy = np.concatenate([values, values[:50] + 2])
    averaged = values + np.where(np.arange(300) < 50, 1.0, 0.0)
    np.testing.assert_allclose(
        fit(twice, noisy).predict(MATRIX), fit(MATRIX, averaged).predict(MATRIX)
    )


def test_standard_deviation_grows_away_from_the_data() -> None:
    near = SPACE.restrict(depth=2, kernel=3)
    far = SPACE.restrict(depth=4, kernel=7)
    matrix = near.sample(200, seed=3)
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    predictor = fit(matrix, top1_of(matrix) + noise)
    std_near = predictor.predict_std(near.sample(50, seed=4))
    std_far = predictor.predict_std(far.sample(50, seed=4))
    assert std_near is not None
    assert std_far is not None
    assert std_far.min() > 2 * std_near.max()


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_penalty_must_be_positive(penalty: float) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`penalty` must be a pos.* got {penalty}"):
        fit(MATRIX, top1_of(MATRIX), penalty=penalty)


@pytest.mark.parametrize("n", [60, 600], ids=["few", "many"])
def test_default_penalty_is_about_as_good_as_the_best_given_one(n: int) -> None:
    rng = np.random.default_rng(0)
    train, held_out = SPACE.sample(n, seed=1), SPACE.sample(500, seed=2)
    noisy = top1_of(train) + rng.normal(0, 0.05, n)

    def error(penalty: float | None) -> float:
        predictor = fit(train, noisy, penalty=penalty)
        return float(np.sqrt(np.mean((predictor.predict(held_out) - top1_of(held_out)) ** 2)))

    assert error(None) < 1.1 * min(error(0.01), error(1.0), error(10.0))

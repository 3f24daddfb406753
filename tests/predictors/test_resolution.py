"""The law of the resolution, in features and in fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.predictors._resolution import POWER, ResolutionLaw
from optuna_ofa.predictors._thermometer import Thermometer

SPACE = SearchSpace("ofa_mbv3_w1.0")
KINDS = ["ridge", "gaussian_process", "sparse_gaussian_process"]
PIXELS = np.array(SPACE.resolutions, dtype=np.int16)


def top1_of(matrix: NDArray[np.int16], power: float = POWER) -> NDArray[np.float64]:
    """An accuracy with a law of the resolution, and of parameters."""
    at_largest = matrix.copy()
    at_largest[:, 0] = 224
    size = Thermometer(SPACE)(at_largest)[:, -26]
    return np.asarray(77 + 3 * size - 2.2 * (matrix[:, 0] / 224.0) ** power)


def rows_at(resolutions: list[int], n: int = 150, seed: int = 0) -> NDArray[np.int16]:
    return SPACE.restrict(resolution=resolutions).sample(n, seed=seed)


def test_the_law_is_from_minus_ten_to_zero_and_concave() -> None:
    law = ResolutionLaw(SPACE.resolutions)(PIXELS)[:, 0]
    assert (law[0], law[-1]) == (-10, 0)
    assert (np.diff(law) > 0).all()
    assert (np.diff(law, 2) < 0).all()


def test_ramps_are_linear_in_the_logarithm_between_two_resolutions() -> None:
    law = ResolutionLaw((128, 192, 224))
    ramps = law(np.array([128, 157, 192, 224], dtype=np.int16))[:, 1:]
    share = np.log(157 / 128) / np.log(192 / 128)
    assert ramps[0] == pytest.approx([0, 0])
    assert ramps[1, 0] == pytest.approx(share * ramps[2, 0])
    assert ramps[2, 1] == 0
    assert ramps[3] == pytest.approx([ramps[2, 0], ramps[3, 1]])


def test_one_resolution_has_no_features_and_one_level() -> None:
    law = ResolutionLaw((224,))
    assert law(PIXELS[-1:]).shape == (1, 0)
    np.testing.assert_array_equal(law.shares(PIXELS[-1:]), [[1.0]])


def test_shares_of_levels_sum_to_one() -> None:
    law = ResolutionLaw(SPACE.resolutions)
    shares = law.shares(PIXELS)
    assert shares.shape == (25, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_array_equal(shares[[0, 8, 16, 24]], np.eye(4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("fitted", "asked"),
    [([128, 192], 160), ([160, 224], 192), ([160, 192], 224), ([160, 192, 224], 128)],
    ids=str,
)
def test_another_resolution_is_predicted(kind: Any, fitted: list[int], asked: int) -> None:
    matrix = rows_at(fitted)
    noise = np.random.default_rng(1).normal(0, 0.1, len(matrix))
    predictor = AccuracyPredictor.fit(SPACE, matrix, top1_of(matrix) + noise, model=kind)
    others = rows_at([asked], seed=2)
    errors = predictor.model.predict(others) - top1_of(others)
    assert abs(errors.mean()) < 0.3
    std = predictor.predict_std(others)
    assert std is not None
    assert np.mean(np.abs(errors) < 1.645 * std) > 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_another_law_is_followed_where_it_was_measured(kind: Any) -> None:
    def other(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
        return np.asarray(top1_of(matrix) + 1.5 * (matrix[:, 0] == 192))

    matrix = rows_at([160, 192, 224], 450)
    predictor = AccuracyPredictor.fit(SPACE, matrix, other(matrix), model=kind)
    others = rows_at([160, 192, 224], 300, seed=3)
    errors = predictor.model.predict(others) - other(others)
    for pixels in (160, 192, 224):
        assert abs(errors[others[:, 0] == pixels].mean()) < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_noise_differs_between_resolutions(kind: Any) -> None:
    matrix = rows_at([128, 224], 400)
    noise = np.random.default_rng(0).normal(0, np.where(matrix[:, 0] == 224, 0.03, 0.4))
    predictor = AccuracyPredictor.fit(SPACE, matrix, top1_of(matrix) + noise, model=kind)
    others = rows_at([128, 224], 200, seed=4)
    std = predictor.model.predict_std(others)
    assert std is not None
    low, high = (np.median(std[others[:, 0] == pixels]) for pixels in (128, 224))
    assert 0.3 < low < 0.6
    assert high < 0.15

"""Accuracy predictors that are fitted to measured subnets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import SearchSpace, families, read_measured_subnets

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
MATRIX = SPACE.sample(300, seed=0)


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


@pytest.fixture(scope="module", params=["gaussian_process", "ridge"])
def fitted(request: pytest.FixtureRequest) -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX), model=request.param)


@pytest.mark.parametrize(
    "family", [*(family.name for family in families()), "efficientnet_lite0", "mobilenet_v3_large"]
)
@pytest.mark.parametrize(
    ("model", "n"), [("gaussian_process", 200), ("ridge", 800)], ids=["gp", "ridge"]
)
def test_follows_the_measurements(family: str, model: Any, n: int) -> None:
    space = SearchSpace(family)
    train, test = space.sample(n, seed=1), space.sample(200, seed=2)
    predictor = AccuracyPredictor.fit(space, train, top1_of(train), model=model)
    spread = top1_of(test).std()
    assert np.abs(predictor.predict(test) - top1_of(test)).mean() < 0.2 * spread


def test_predicts_published_measurements(shared_data: Path) -> None:
    folder = shared_data / "ofa_mbv3_w1.0_measured"
    measured = read_measured_subnets(
        folder / "mbnv3w10_evounsga3_acc_macs_params.csv", SPACE.family
    )
    matrix, top1 = SPACE.to_matrix(measured.subnets), measured.top1
    predictor = AccuracyPredictor.fit(SPACE, matrix[::2], top1[::2])
    assert np.abs(predictor.predict(matrix[1::2]) - top1[1::2]).mean() < 0.1


def test_takes_subnets_and_matrices() -> None:
    values = top1_of(MATRIX)
    by_matrix = AccuracyPredictor.fit(SPACE, MATRIX, values)
    by_subnet = AccuracyPredictor.fit(SPACE, iter(SPACE.from_matrix(MATRIX)), values)
    np.testing.assert_array_equal(by_matrix.predict(MATRIX), by_subnet.predict(MATRIX))


def test_rows_of_one_subnet_are_repeats() -> None:
    largest = SPACE.to_matrix([SPACE.largest()])
    other = np.where(SPACE.active_genes(MATRIX), MATRIX, largest)
    values = top1_of(MATRIX)
    np.testing.assert_allclose(
        AccuracyPredictor.fit(SPACE, other, values).predict(MATRIX),
        AccuracyPredictor.fit(SPACE, MATRIX, values).predict(MATRIX),
    )


@pytest.mark.parametrize("size", [1, 2, 128, 299])
def test_same_bits_in_any_batch(fitted: AccuracyPredictor, size: int) -> None:
    together = fitted.predict(MATRIX)
    for start in (0, 1, 300 - size):
        part = slice(start, start + size)
        np.testing.assert_array_equal(fitted.predict(MATRIX[part]), together[part])


def test_subnet_outside_of_the_space_is_refused(fitted: AccuracyPredictor) -> None:
    with pytest.raises(InvalidSubnetError, match=r"'resolution' among \(192, 224\), but got 128"):
        fitted.predict(SearchSpace(SPACE.family).restrict(resolution=128).sample(1, seed=0))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((MATRIX, np.ones(299)), r"`top1` must be 300 finite .* shape \(299,\)"),
        ((MATRIX, np.ones((300, 1))), r"must be numbers"),
        ((MATRIX, np.full(300, np.nan)), "300 that are not finite"),
        ((MATRIX[[0] * 9], np.arange(9.0)), "`subnets` must be at least 5 different .* got 1"),
        ((MATRIX[:4], [70.0, 71.0, 72.0, 73.0]), "at least 5 different .* got 4"),
        ((MATRIX[:0], []), "at least 5 different .* got 0"),
        ((MATRIX, np.full(300, 71.5)), "must differ .* all 300 are 71.5.*normalisation"),
        ((MATRIX, top1_of(MATRIX) / 100), r"`top1` must be in percent, .* multiply by 100"),
        ((MATRIX, top1_of(MATRIX) - 80), r"percent, from 0 to 100, but got .*-.*\(300 of 300\)"),
        ((MATRIX, np.r_[top1_of(MATRIX[:299]), 100.1]), r"got top1 100.1 \(1 of 300\)"),
    ],
    ids=[
        "length",
        "shape",
        "nan",
        "one",
        "few",
        "none",
        "constant",
        "fractions",
        "negative",
        "above-100",
    ],
)
def test_bad_measurements_are_refused(arguments: tuple[Any, Any], match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        AccuracyPredictor.fit(SPACE, *arguments)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"model": "boosting"}, "`model` must be one of 'gaussian_process', .* got 'boosting'"),
        ({"model": []}, r"`model` must be one of .* got \[\]"),
        ({"penalty": 1.0}, "`penalty` must be None unless model='ridge', but got 1.0 with 'gauss"),
    ],
    ids=["model", "type", "penalty"],
)
def test_unknown_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX), **options)


@pytest.mark.parametrize("model", ["gaussian_process", "ridge"])
def test_five_subnets_are_enough(model: Any) -> None:
    predictor = AccuracyPredictor.fit(SPACE, MATRIX[:5], top1_of(MATRIX[:5]), model=model)
    predicted = predictor.predict(MATRIX)
    assert predicted.min() > top1_of(MATRIX).min() - 5
    assert predicted.max() < top1_of(MATRIX).max() + 5


def test_local_models_are_exact_at_their_anchors(fitted: AccuracyPredictor) -> None:
    model = fitted.local_model(MATRIX[:50])
    assert model is not None
    expected = fitted.predict(MATRIX[:50])
    assert model(MATRIX[:50], np.arange(50)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [0, 1])
def test_small_batches(fitted: AccuracyPredictor, n: int) -> None:
    assert fitted.predict(MATRIX[:n]).shape == (n,)
    std = fitted.predict_std(MATRIX[:n])
    assert std is None or std.shape == (n,)

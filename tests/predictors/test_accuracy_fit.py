"""Accuracy predictors that are fitted to measured subnets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa._errors import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
)
from optuna_ofa.predictors import AccuracyPredictor
from optuna_ofa.space import SearchSpace, families, read_measured_subnets

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
MATRIX = SPACE.sample(300, seed=0)


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything."""
    return np.asarray(60 + 0.02 * matrix.sum(axis=1))


@pytest.fixture(scope="module")
def fitted() -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX), metadata={"source": "a test"})


@pytest.fixture
def saved(fitted: AccuracyPredictor, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "fitted.json")
    return tmp_path / "fitted.json"


@pytest.mark.parametrize("family", [family.name for family in families()])
def test_follows_the_measurements(family: str) -> None:
    space = SearchSpace(family)
    train, test = space.sample(800, seed=1), space.sample(200, seed=2)
    predictor = AccuracyPredictor.fit(space, train, top1_of(train), penalty=0.1)
    spread = top1_of(test).std()
    assert np.abs(predictor.predict(test) - top1_of(test)).mean() < 0.2 * spread


def test_predicts_published_measurements(shared_data: Path) -> None:
    folder = shared_data / "ofa_mbv3_w1.0_measured"
    measured = read_measured_subnets(folder / "mbnv3w10_evounsga3_acc_macs_params.csv",
                                     SPACE.family)  # fmt: skip
    matrix, top1 = SPACE.to_matrix(measured.subnets), measured.top1
    predictor = AccuracyPredictor.fit(SPACE, matrix[::2], top1[::2])
    assert np.abs(predictor.predict(matrix[1::2]) - top1[1::2]).mean() < 0.1


def test_takes_subnets_and_matrices() -> None:
    values = top1_of(MATRIX)
    by_matrix = AccuracyPredictor.fit(SPACE, MATRIX, values)
    by_subnet = AccuracyPredictor.fit(SPACE, iter(SPACE.from_matrix(MATRIX)), values)
    np.testing.assert_array_equal(by_matrix.predict(MATRIX), by_subnet.predict(MATRIX))


def test_repeats_are_averaged() -> None:
    values = top1_of(MATRIX)
    twice = np.concatenate([MATRIX, MATRIX[:50]])
    noisy = np.concatenate([values, values[:50] + 2])
    averaged = values + np.where(np.arange(300) < 50, 1.0, 0.0)
    np.testing.assert_allclose(
        AccuracyPredictor.fit(SPACE, twice, noisy).predict(MATRIX),
        AccuracyPredictor.fit(SPACE, MATRIX, averaged).predict(MATRIX),
    )


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


def test_standard_deviation_grows_away_from_the_data() -> None:
    near = SPACE.restrict(depth=2, kernel=3)
    far = SPACE.restrict(depth=4, kernel=7)
    matrix = near.sample(200, seed=3)
    noise = np.random.default_rng(0).normal(0, 0.1, 200)
    predictor = AccuracyPredictor.fit(SPACE, matrix, top1_of(matrix) + noise)
    std_near = predictor.predict_std(near.sample(50, seed=4))
    std_far = predictor.predict_std(far.sample(50, seed=4))
    assert std_near is not None
    assert std_far is not None
    assert std_far.min() > 2 * std_near.max()


def test_subnet_outside_of_the_space_is_refused(fitted: AccuracyPredictor) -> None:
    with pytest.raises(InvalidSubnetError, match=r"'resolution' among \(192, 224\), but got 128"):
        fitted.predict(SearchSpace(SPACE.family).restrict(resolution=128).sample(1, seed=0))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((MATRIX, np.ones(299)), r"`top1` must be 300 finite .* shape \(299,\)"),
        ((MATRIX, np.ones((300, 1))), r"shape \(300, 1\)"),
        ((MATRIX, np.full(300, np.nan)), "300 that are not finite"),
        ((MATRIX[[0, 0]], [1.0, 2.0]), "`subnets` must be at least two different .* got 1"),
        ((MATRIX[:0], []), "at least two different .* got 0"),
    ],
    ids=["length", "shape", "nan", "one", "none"],
)
def test_bad_measurements_are_refused(arguments: tuple[Any, Any], match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        AccuracyPredictor.fit(SPACE, *arguments)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_penalty_must_be_positive(penalty: float) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`penalty` must be positive.* got {penalty}"):
        AccuracyPredictor.fit(SPACE, MATRIX, top1_of(MATRIX), penalty=penalty)


# ---------------------------------------------------------------------- saving and loading


def test_loaded_predictor_is_the_same(fitted: AccuracyPredictor, saved: Path) -> None:
    loaded = AccuracyPredictor.load(saved)
    assert loaded.space == fitted.space
    assert loaded.metadata == {"source": "a test"}
    np.testing.assert_array_equal(loaded.predict(MATRIX), fitted.predict(MATRIX))


def test_loaded_standard_deviations_are_nearly_the_same(
    fitted: AccuracyPredictor, saved: Path
) -> None:
    ours, theirs = (p.predict_std(MATRIX) for p in (AccuracyPredictor.load(saved), fitted))
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_resnet_is_saved_with_its_ratios(tmp_path: Path) -> None:
    space = SearchSpace("ofa_resnet50", resolution=[224]).restrict(expand=[0.2, 0.35])
    matrix = space.sample(50, seed=0)
    fitted = AccuracyPredictor.fit(space, matrix, top1_of(matrix))
    fitted.save(tmp_path / "fitted.json")
    assert AccuracyPredictor.load(tmp_path / "fitted.json").space == space


def test_another_family_is_refused(saved: Path) -> None:
    with pytest.raises(FamilyMismatchError, match=r"must be ofa_mbv3_w1\.0 for .*resnet50"):
        AccuracyPredictor.load(saved, family="ofa_resnet50")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"format": "other"}, "must hold 'optuna_ofa.accuracy_predictor' version 1"),
        ({"version": 2}, "version 1"),
        ({"family": None}, r"must hold \['family'\] too"),
        ({"model": None}, r"must hold \['model'\] too"),
        ({"choices": {}}, "`choices` of .* must be those of ofa_mbv3_w1.0"),
        ({"choices": 7}, "`choices` of .* must be those of"),
        ({"model": {}}, "`model` must hold the numbers of a ridge model"),
        ({"model": 7}, "`model` must hold the numbers of a ridge model"),
    ],
    ids=["format", "version", "no-family", "no-model", "choices", "number", "empty-model", "model"],
)
def test_broken_file_is_refused(saved: Path, changes: dict[str, Any], match: str) -> None:
    data = json.loads(saved.read_text()) | changes
    saved.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(saved)


def test_weights_of_another_space_are_refused(saved: Path) -> None:
    data = json.loads(saved.read_text())
    data["choices"]["resolution"] = [128, 192, 224]
    saved.write_text(json.dumps(data))
    with pytest.raises(FormatError, match=r"`weights` must have \d+ numbers for SearchSpace"):
        AccuracyPredictor.load(saved)


@pytest.mark.parametrize("text", ["{", "[]", "7"], ids=["truncated", "list", "number"])
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fitted.json").write_text(text)
    with pytest.raises(FormatError, match="`path` must"):
        AccuracyPredictor.load(tmp_path / "fitted.json")


@pytest.mark.parametrize("n", [60, 600], ids=["few", "many"])
def test_default_penalty_is_about_as_good_as_the_best_given_one(n: int) -> None:
    rng = np.random.default_rng(0)
    train, held_out = SPACE.sample(n, seed=1), SPACE.sample(500, seed=2)
    noisy = top1_of(train) + rng.normal(0, 0.05, n)

    def error(penalty: float | None) -> float:
        predictor = AccuracyPredictor.fit(SPACE, train, noisy, penalty=penalty)
        return float(np.sqrt(np.mean((predictor.predict(held_out) - top1_of(held_out)) ** 2)))

    assert error(None) < 1.1 * min(error(0.01), error(1.0), error(10.0))

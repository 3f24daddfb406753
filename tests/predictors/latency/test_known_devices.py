"""A new device learned from few networks and devices that are known."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import LatencyPredictor, LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    FamilyMismatchError,
    ImplausibleValueWarning,
    InvalidArgumentError,
)
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.predictors.latency._known_devices import is_clearly_better, mixed, share_of_known
from optuna_ofa.predictors.latency._ridge import RelativeRidge
from optuna_ofa.space import Matrix

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 176, 224])
TEN, FRESH = SPACE.sample(10, seed=0), SPACE.sample(200, seed=1)


def table_of(name: str, space: SearchSpace = SPACE) -> LatencyTable:
    path = packaged_table(name, space.family)
    assert path is not None
    return LatencyTable.load(path)


class Odd(Predictor):
    """Latencies that depend on one gene in a way that no physical term explains."""

    metric = "latency_ms"

    def __init__(self, space: SearchSpace = SPACE, factor: float = 1.0) -> None:
        self.space, self.factor = space, factor

    def predict(self, matrix: Matrix) -> Any:
        return self.factor * (10.0 + 5 * (matrix[:, 6] == 5) + 3 * (matrix[:, 8] == 3))


def mape(predictor: Predictor, latency: Any) -> float:
    return float(np.abs(predictor.predict(FRESH) / latency - 1).mean() * 100)


def test_a_device_that_helps_is_used_and_said() -> None:
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, 2 * Odd().predict(TEN) + 1, like=[Odd()])
    alone = NetworkLatencyPredictor.fit(SPACE, TEN, 2 * Odd().predict(TEN) + 1, like=[])
    truth = 2 * Odd().predict(FRESH) + 1
    assert mape(fitted, truth) < 0.1 < 5 < mape(alone, truth)
    said = fitted.metadata["like"]
    assert said["used"] == "device 1"
    assert said["heldout_mape"] < said["heldout_mape_without"] / 2
    assert "learned from device 1: the held-out error is" in said["text"]
    assert fitted.name == "terms, like device 1"
    assert "like" not in alone.metadata


def test_a_device_that_does_not_help_changes_nothing() -> None:
    latency = NetworkLatencyPredictor.fit(
        SPACE, TEN, table_of("cpu-torch").metadata["anchor_ms"] + TEN[:, 1:6].sum(axis=1), like=[]
    ).predict(TEN)  # sums of physical terms
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, latency, like=[Odd()])
    alone = NetworkLatencyPredictor.fit(SPACE, TEN, latency, like=[])
    np.testing.assert_array_equal(fitted.predict(FRESH), alone.predict(FRESH))
    assert fitted.known is None
    assert fitted.metadata["like"]["used"] is None
    assert "no known device was used" in fitted.metadata["like"]["text"]


def test_the_packaged_tables_are_candidates_unless_there_is_a_table() -> None:
    table = table_of("cpu-torch")
    latency = 3 * LatencyPredictor(table=table, space=SPACE).predict(TEN)
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, latency)
    assert fitted.metadata["like"]["used"] == "cpu-torch"
    assert "cpu-openvino" in fitted.metadata["like"]["compared"]
    hybrid = NetworkLatencyPredictor.fit(SPACE, TEN, latency, table=table)
    assert "like" not in hybrid.metadata


@pytest.mark.parametrize("kind", ["table", "network", "nested"])
def test_it_is_stored_with_what_it_needs(kind: str, tmp_path: Path) -> None:
    table = table_of("cpu-torch")
    truth = LatencyPredictor(table=table, space=SPACE)
    source: Any = table
    if kind != "table":
        source = NetworkLatencyPredictor.fit(SPACE, FRESH, truth.predict(FRESH), table=table)
    if kind == "nested":
        source = NetworkLatencyPredictor.fit(SPACE, TEN, 2 * truth.predict(TEN), like=[source])
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, 3 * truth.predict(TEN), like=[source])
    assert fitted.known is not None
    fitted.save(tmp_path / "new.json")
    again = NetworkLatencyPredictor.load(tmp_path / "new.json")
    expected = fitted.predict(FRESH)
    np.testing.assert_array_equal(again.predict(FRESH), expected)
    np.testing.assert_array_equal(again.predict_std(FRESH), fitted.predict_std(FRESH))
    np.testing.assert_array_equal([again.predict(row[None])[0] for row in FRESH], expected)
    assert again.name == fitted.name
    terms = again.terms()
    assert not isinstance(terms, str)
    np.testing.assert_allclose(terms(SPACE.canonicalize(FRESH)), expected, rtol=1e-12)


def test_names_and_files_are_sources(tmp_path: Path) -> None:
    truth = LatencyPredictor(table=table_of("cpu-torch"), space=SPACE)
    latency = truth.predict(TEN)
    NetworkLatencyPredictor.fit(SPACE, TEN, latency, like=[]).save(tmp_path / "other.json")
    fitted = NetworkLatencyPredictor.fit(
        SPACE, TEN, latency, like=["cpu-torch", tmp_path / "other.json"]
    )
    assert fitted.metadata["like"]["compared"] == ["cpu-torch", "other.json"]
    one = NetworkLatencyPredictor.fit(SPACE, TEN, latency, like="cpu-torch")
    assert one.metadata["like"]["compared"] == ["cpu-torch"]


def test_a_device_given_twice_counts_once() -> None:
    like = [Odd(), Odd(), Odd(factor=1000.0)]
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, Odd().predict(TEN), like=like)
    assert fitted.metadata["like"]["compared"] == ["device 1"]


def test_a_custom_predictor_cannot_be_stored_and_is_no_sum(tmp_path: Path) -> None:
    fitted = NetworkLatencyPredictor.fit(SPACE, TEN, Odd().predict(TEN), like=[Odd()])
    assert fitted.terms() == "a Odd is not known to be a sum over genes and layers"
    with pytest.raises(InvalidArgumentError, match="`like` must have been tables or predictors"):
        fitted.save(tmp_path / "odd.json")


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_another_unit_is_noticed(factor: float) -> None:
    with pytest.warns(ImplausibleValueWarning, match="`latency_ms` must be in milliseconds"):
        NetworkLatencyPredictor.fit(SPACE, TEN, factor * Odd().predict(TEN), like=[Odd()])


@pytest.mark.parametrize(
    ("like", "error", "match"),
    [
        (["cpu-tensor"], InvalidArgumentError, "`like` must have files that exist, or packaged"),
        ([5], InvalidArgumentError, r"`like\[0\]` must be a string, a path, a LatencyTable or a"),
        (5, InvalidArgumentError, "`like` must be an iterable"),
        (
            [CostPredictor("n_macs", SPACE)],
            InvalidArgumentError,
            "`like` must have predictors of latency_ms, but got one of n_macs",
        ),
        ([Odd(factor=0.0)], InvalidArgumentError, "`like` must predict 10 positive numbers"),
        ([Odd(factor=np.nan)], InvalidArgumentError, "`like` must predict 10 positive numbers"),
        (
            [Odd(SearchSpace("ofa_mbv3_w1.2"))],
            FamilyMismatchError,
            "`like` must be of .* ofa_mbv3_w1.0",
        ),
        (
            [table_of("cpu-torch", SearchSpace("ofa_mbv3_w1.2"))],
            FamilyMismatchError,
            "`like` must be of .* ofa_mbv3_w1.0",
        ),
    ],
)
def test_other_sources_are_refused(like: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        NetworkLatencyPredictor.fit(SPACE, TEN, Odd().predict(TEN), like=like)


@pytest.mark.parametrize("others", [{"table": table_of("cpu-torch")}, {"features": "physical"}])
def test_it_is_combined_with_terms_alone(others: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="`like` must be left out with `"):
        NetworkLatencyPredictor.fit(SPACE, TEN, Odd().predict(TEN), like=[Odd()], **others)


def test_a_predictor_of_other_resolutions_is_left_out() -> None:
    narrow = Odd(SPACE.restrict(resolution=128))
    with pytest.warns(ExtrapolationWarning, match=r"left out, .* cover \[176, 224\] pixels"):
        fitted = NetworkLatencyPredictor.fit(SPACE, TEN, Odd().predict(TEN), like=[narrow])
    assert fitted.known is None


def test_gains_by_chance_do_not_count() -> None:
    without = np.array([0.1, -0.1, 0.1, -0.1, 0.1])
    assert is_clearly_better(without * 0.5, without)
    assert not is_clearly_better(without * 0.97, without)  # too little
    assert not is_clearly_better(np.array([0.2, 0.2, 0.01, 0.0, 0.0]), without)  # by chance


def test_the_mean_of_both_models_predicts_unless_one_is_better_beyond_doubt() -> None:
    without = np.array([0.1, -0.1, 0.1, -0.1, 0.1])
    assert share_of_known(without * 0.21, without) == 0.5
    assert share_of_known(without * 0.19, without) == 1.0
    alone = RelativeRidge(np.array([1.0, 4.0]), 0.1, np.diag([1.0, 2.0]), 0.1)
    known = RelativeRidge(np.array([0.0, 2.0, 2.0]), 0.1, np.diag([1.0, 1.0, 1.0]), 0.1)
    both = mixed(alone, known, 0.5)
    np.testing.assert_array_equal(both.weights, [0.5, 1.0, 3.0])
    np.testing.assert_array_equal(both.covariance, np.diag([1.0, 0.5, 1.5]))


def test_finer_features_of_many_subnets_take_no_known_device() -> None:
    many = SPACE.sample(200, seed=2)
    latency = Odd().predict(many)  # which one-hot features explain
    fitted = NetworkLatencyPredictor.fit(SPACE, many, latency, like=[Odd()])
    assert fitted.name == "onehot"
    assert "onehot features are better" in fitted.metadata["like"]["text"]
    with pytest.raises(InvalidArgumentError, match="`like` must predict 200 positive"):
        NetworkLatencyPredictor.fit(SPACE, many, latency, like=[Odd(factor=0.0)])


def test_a_family_without_packaged_tables_is_learned_alone() -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[128, 224])
    own = SearchSpace(dataclasses.replace(space.family, name="mine"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = NetworkLatencyPredictor.fit(own, own.sample(10, seed=0), np.arange(10.0) + 5)
    assert "like" not in fitted.metadata

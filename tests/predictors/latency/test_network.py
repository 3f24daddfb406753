"""Latencies fitted to measured subnets, with and without a table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.costs import LayerSum, layer_bytes_moved, layer_macs
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    ImplausibleValueWarning,
    InvalidArgumentError,
)
from optuna_ofa.predictors import Entry, LatencyPredictor, LatencyTable, NetworkLatencyPredictor
from optuna_ofa.predictors.latency._device_terms import DeviceTerms
from optuna_ofa.predictors.latency._features import PhysicalFeatures
from optuna_ofa.space import Layer, mobilenet_v3_small_images, slots

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[128, 160, 192, 224])


def layer_ms(layer: Layer) -> float:
    return 0.02 + layer_macs(layer) / 5e7 + layer_bytes_moved(layer) / 2e8


def layers_of(space: SearchSpace) -> list[Layer]:
    found: dict[Layer, None] = {}
    LayerSum(space, lambda layer, _: found.setdefault(layer) or 0.0)
    return list(found)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    return LatencyTable.from_measurements(
        family=SPACE.family,
        resolutions=SPACE.resolutions,
        latencies={layer: Entry(layer_ms(layer), 0.001, 10) for layer in layers_of(SPACE)},
        metadata={"settings": {"batch": 1}},
    )


def truth(matrix: Any) -> Any:
    return LayerSum(SPACE, lambda layer, _: layer_ms(layer))(matrix)


def mape(predictor: NetworkLatencyPredictor, matrix: Any, latency: Any) -> float:
    return float(np.abs(predictor.predict(matrix) / latency - 1).mean() * 100)


def test_scale_and_offset_of_a_table_are_found(table: LatencyTable) -> None:
    matrix, fresh = SPACE.sample(15, seed=0), SPACE.sample(100, seed=1)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, 1.3 * truth(matrix) + 2, table=table)
    assert fitted.name == "table + affine"
    np.testing.assert_allclose(fitted.predict(fresh), 1.3 * truth(fresh) + 2, rtol=1e-5)


@pytest.mark.parametrize(("n", "features"), [(12, None), (150, None), (150, "physical")])
def test_physical_latencies_are_explained(n: int, features: Any) -> None:
    matrix, fresh = SPACE.sample(n, seed=0), SPACE.sample(200, seed=1)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), features=features)
    assert fitted.name == (features or "terms")
    assert mape(fitted, fresh, truth(fresh)) < 0.5


def test_features_correct_a_table_that_is_wrong_in_a_physical_way(table: LatencyTable) -> None:
    def real(matrix: Any) -> Any:  # large kernels are four times slower than the table says
        extra = LayerSum(SPACE, lambda x, _: 3 * layer_ms(x) if x.kernel == 7 else 0.0)
        return truth(matrix) + extra(matrix)

    matrix, fresh = SPACE.sample(120, seed=0), SPACE.sample(200, seed=1)
    affine = NetworkLatencyPredictor.fit(SPACE, matrix, real(matrix), table=table, features="none")
    chosen = NetworkLatencyPredictor.fit(SPACE, matrix, real(matrix), table=table)
    assert chosen.name == "table + physical"
    assert mape(chosen, fresh, real(fresh)) < mape(affine, fresh, real(fresh)) / 3


def test_one_hot_features_need_more_rows_than_physical_ones() -> None:
    matrix, fresh = SPACE.sample(100, seed=0), SPACE.sample(200, seed=1)
    errors = [
        mape(
            NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), features=kind),
            fresh,
            truth(fresh),
        )
        for kind in ("physical", "onehot")
    ]
    assert errors[0] < errors[1] / 3


def test_the_held_out_error_is_that_of_fresh_subnets(table: LatencyTable) -> None:
    rng = np.random.default_rng(0)
    matrix, fresh = SPACE.sample(400, seed=0), SPACE.sample(400, seed=1)
    noisy = truth(matrix) * np.exp(0.03 * rng.standard_normal(400))
    measured = truth(fresh) * np.exp(0.03 * rng.standard_normal(400))
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, noisy, table=table)
    assert fitted.heldout_mape[fitted.name] == pytest.approx(
        mape(fitted, fresh, measured), rel=0.15
    )
    z = (measured - fitted.predict(fresh)) / fitted.predict_std(fresh)
    assert 0.85 < z.std() < 1.15


def test_the_deviation_grows_away_from_the_data() -> None:
    small = SPACE.restrict(resolution=128, depth=2)
    matrix = small.sample(60, seed=0)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), features="physical")
    ends = SPACE.to_matrix([small.smallest(), SPACE.largest()])
    near, far = fitted.predict_std(ends) / fitted.predict(ends)
    assert far > 2 * near


@pytest.mark.parametrize("features", ["none", "terms", "physical", "onehot"])
def test_a_batch_equals_single_rows(features: Any, table: LatencyTable) -> None:
    matrix = SPACE.sample(60, seed=0)
    fitted = NetworkLatencyPredictor.fit(
        SPACE, matrix, truth(matrix), table=table, features=features
    )
    single = [fitted.predict(row[None])[0] for row in matrix]
    assert fitted.predict(matrix).tolist() == single
    model = fitted.local_model(matrix[:1])
    assert model is not None
    assert model(matrix, np.zeros(60, dtype=np.intp)).tolist() == single


@pytest.mark.parametrize("features", ["none", "terms", "physical", "onehot"])
def test_what_is_saved_is_loaded(features: Any, table: LatencyTable, tmp_path: Path) -> None:
    matrix = SPACE.sample(60, seed=0)
    fitted = NetworkLatencyPredictor.fit(
        SPACE, matrix, truth(matrix), table=table, features=features, metadata={"device": "x"}
    )
    fitted.save(tmp_path / "p.json")
    loaded = NetworkLatencyPredictor.load(tmp_path / "p.json")
    assert loaded.space == SPACE
    assert loaded.metadata == {"device": "x", "n_rows": 60}
    assert loaded.heldout_mape == fitted.heldout_mape
    np.testing.assert_array_equal(loaded.predict(matrix), fitted.predict(matrix))
    np.testing.assert_array_equal(loaded.predict_std(matrix), fitted.predict_std(matrix))


def test_it_is_an_objective(table: LatencyTable) -> None:
    import optuna_ofa

    space = SPACE.restrict(resolution=224)
    matrix = space.sample(20, seed=0)
    hardware = NetworkLatencyPredictor.fit(space, matrix, 2 * truth(matrix), table=table)
    study = optuna_ofa.study(space, hardware=hardware, seed=0)
    study.search(n_trials=300)
    point = study.front()[0]
    expected = 2 * truth(space.to_matrix([point.subnet]))[0]
    assert point.values["latency_ms"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("latency", "message"),
    [
        ([1.0] * 9, "`latency_ms` must be 10 positive numbers"),
        ([1.0] * 9 + [float("nan")], "`latency_ms` must be 10 positive numbers.*nan"),
        ([1.0] * 9 + [-1.0], "`latency_ms` must be positive, .* -1"),
        ([1.0] * 9 + [0.0], "`latency_ms` must be positive, .* 0"),
        ([1.0] * 9 + [True], "`latency_ms` must be numbers"),
    ],
    ids=["short", "nan", "negative", "zero", "boolean"],
)
def test_impossible_latencies_are_refused(latency: list[float], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        NetworkLatencyPredictor.fit(SPACE, SPACE.sample(10, seed=0), latency)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`matrix` must have 5 rows or more.*has 4"):
        NetworkLatencyPredictor.fit(SPACE, SPACE.sample(4, seed=0), np.ones(4))


def test_no_features_without_a_table_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'none' with a table, or .* got 'none'"):
        NetworkLatencyPredictor.fit(SPACE, SPACE.sample(9, seed=0), np.ones(9), features="none")


def test_a_table_of_another_batch_size_is_refused(table: LatencyTable) -> None:
    with pytest.raises(InvalidArgumentError, match="size of the measurements, 8, but has 1"):
        NetworkLatencyPredictor.fit(
            SPACE,
            SPACE.sample(9, seed=0),
            np.ones(9),
            table=table,
            metadata={"settings": {"batch": 8}},
        )


def test_a_table_of_another_family_is_refused(table: LatencyTable) -> None:
    other = SearchSpace("ofa_mbv3_w1.2")
    with pytest.raises(FamilyMismatchError, match=r"family ofa_mbv3_w1\.2 .* of ofa_mbv3_w1\.0"):
        NetworkLatencyPredictor.fit(other, other.sample(9, seed=0), np.ones(9), table=table)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "x"},
        {"version": 2},
        {"family": "resnet18"},
        {"choices": 3},
        {"features": "pickle"},
        {"table": {"version": 9}},
        {"model": {}},
        {"model": {"weights": [1], "noise": 0, "covariance": [[1]], "penalty": 0}},
    ],
    ids=repr,
)
def test_files_that_are_none_are_refused(
    change: dict[str, Any], table: LatencyTable, tmp_path: Path
) -> None:
    matrix = SPACE.sample(10, seed=0)
    path = tmp_path / "p.json"
    NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), table=table).save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(FormatError, match=r"`(path|model|family|weights)`.* must"):
        NetworkLatencyPredictor.load(path)


@pytest.mark.parametrize("text", ["", "[]", "[" * 9999])
def test_text_that_is_no_predictor_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(FormatError, match=r"`path` must (be JSON|hold)"):
        NetworkLatencyPredictor.load(tmp_path / "p.json")


def test_features_tell_kernels_apart() -> None:
    names = PhysicalFeatures(SPACE).names
    assert {f"depthwise{kernel}.macs" for kernel in (3, 5, 7)} <= set(names)


def test_a_table_prices_the_layers_of_its_places(table: LatencyTable) -> None:
    assert len(slots(SPACE.family)) == 26
    matrix = SPACE.sample(20, seed=2)
    predicted = LatencyPredictor(table=table, space=SPACE).predict(matrix)
    np.testing.assert_allclose(predicted, truth(matrix), rtol=1e-12)


def test_a_predictor_of_a_family_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    space = SearchSpace(mobilenet_v3_small_images("mine"))
    table = LatencyTable.from_measurements(
        family=space.family,
        resolutions=space.resolutions,
        latencies={layer: Entry(1.0) for layer in layers_of(space)},
    )
    matrix = space.sample(12, seed=0)
    fitted = NetworkLatencyPredictor.fit(space, matrix, 0.1 * matrix.sum(axis=1), table=table)
    fitted.save(tmp_path / "p.json")
    again = NetworkLatencyPredictor.load(tmp_path / "p.json")
    assert again.space == space
    np.testing.assert_allclose(again.predict(matrix), fitted.predict(matrix))
    other = SearchSpace(mobilenet_v3_small_images("mine", width=2.0))
    with pytest.raises(FamilyMismatchError, match="out_channels of stage 1: 24 in the predictor"):
        again.require(other)


def test_the_prices_of_a_device_are_told_in_words() -> None:
    matrix = SPACE.sample(60, seed=0)
    terms = DeviceTerms(SPACE)
    amounts = dict(zip(terms.names, terms(matrix).T, strict=True))
    latency = 2.1 + 0.31 * amounts["blocks"] + 0.8 * amounts["multiply-adds"]
    fitted = NetworkLatencyPredictor.fit(
        SPACE, matrix, latency, features="terms", like=[], penalty=1e-9
    )
    words = "2.1 ms constant, 0.31 ms a block, 0.8 ms per 100 M multiply-adds"
    assert fitted.in_words() == words
    assert repr(fitted).startswith(f"NetworkLatencyPredictor(terms: {words}; held-out error: ")


def test_the_known_device_is_named_in_the_words() -> None:
    matrix = SPACE.sample(20, seed=0)
    known = LatencyTable.load(packaged_table("cpu-executorch", SPACE.family))
    latency = 3 * LatencyPredictor(table=known, space=SPACE).predict(matrix)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, latency)
    assert fitted.in_words().endswith("3 times the latency on cpu-executorch")


def test_other_models_tell_how_many_features_they_have(table: LatencyTable) -> None:
    matrix = SPACE.sample(20, seed=0)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), table=table, features="none")
    assert fitted.in_words() == "a sum of 2 features"


def test_equal_subnets_are_refused() -> None:
    matrix = np.repeat(SPACE.sample(1, seed=0), 10, axis=0)
    with pytest.raises(InvalidArgumentError, match=r"`matrix` must have different .* 10 rows are"):
        NetworkLatencyPredictor.fit(SPACE, matrix, np.linspace(1, 2, 10))


@pytest.mark.parametrize("n", [5, 6, 9])
def test_fewer_subnets_than_terms_are_enough_for_a_sound_fit(n: int) -> None:
    matrix, fresh = SPACE.sample(n, seed=0), SPACE.sample(100, seed=1)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), like=[])
    assert mape(fitted, fresh, truth(fresh)) < 15


def test_subnets_that_share_depth_and_resolution_are_enough() -> None:
    space = SPACE.restrict(resolution=[160], depth=[3])
    matrix, fresh = space.sample(15, seed=0), space.sample(100, seed=1)
    fitted = NetworkLatencyPredictor.fit(SPACE, matrix, truth(matrix), like=[])
    assert mape(fitted, fresh, truth(fresh)) < 3


@pytest.mark.parametrize("factor", [1e-3, 1e3], ids=["seconds", "microseconds"])
def test_a_unit_that_is_not_the_tables_is_warned_of(factor: float, table: LatencyTable) -> None:
    matrix = SPACE.sample(15, seed=0)
    with pytest.warns(ImplausibleValueWarning, match="`latency_ms` must be in millis.* `table`"):
        NetworkLatencyPredictor.fit(SPACE, matrix, factor * truth(matrix), table=table)

"""The packaged predictor and table: what they are for, where they are from, how good they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from optuna_ofa import AccuracyPredictor, LatencyPredictor, LatencyTable, SearchSpace
from optuna_ofa.costs import placements
from optuna_ofa.data import default_table_name, packaged_accuracy, packaged_table, table_names
from optuna_ofa.predictors import Predictor, kendall_tau
from optuna_ofa.space import Family, families, get_family, mobilenet_v3_small_images

FAMILY = get_family("ofa_mbv3_w1.0")
TABLE = "cpu-torch"
TABLES = [(f, name) for f in families() for name in table_names(f)]
SPACE = SearchSpace(FAMILY, resolution=224)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fit_default_accuracy.py"


@pytest.fixture(scope="module")
def accuracy() -> AccuracyPredictor:
    path = packaged_accuracy(FAMILY)
    assert path is not None
    return AccuracyPredictor.load(path)


def load_table(family: Family, name: str) -> LatencyTable:
    path = packaged_table(name, family)
    assert path is not None
    return LatencyTable.load(path)


@pytest.fixture(params=["top1", "latency_ms"])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    if request.param == "top1":
        return request.getfixturevalue("accuracy")
    return LatencyPredictor(table=load_table(FAMILY, TABLE), space=SPACE)


@pytest.fixture(scope="module")
def example(import_path: Callable[[Path], ModuleType]) -> ModuleType:
    return import_path(EXAMPLE)


@pytest.mark.parametrize(
    ("name", "runtimes"),
    [
        ("ofa_mbv3_w1.0", ["executorch", "onnxruntime", "openvino", "torch"]),
        ("ofa_mbv3_w1.2", ["executorch", "onnxruntime", "openvino", "torch"]),
    ],
)
def test_runtimes_have_a_table(name: str, runtimes: list[str]) -> None:
    assert table_names(get_family(name)) == [f"cpu-{runtime}" for runtime in runtimes]


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_mbv3_w1.2"])
def test_a_study_takes_that_of_torch_by_default(name: str) -> None:
    assert default_table_name(get_family(name)) == TABLE


def test_a_family_without_a_table_has_no_default() -> None:
    assert default_table_name(get_family("ofa_resnet50")) is None


@pytest.mark.parametrize("family", [f for f in families() if f != FAMILY], ids=lambda f: f.name)
def test_no_other_family_gets_the_accuracy_predictor(family: Family) -> None:
    assert packaged_accuracy(family) is None


@pytest.mark.parametrize("name", ["ofa_resnet50", "ofa_proxyless_w1.3"])
def test_no_other_family_gets_the_table(name: str) -> None:
    assert packaged_table(TABLE, get_family(name)) is None


def test_an_unknown_device_has_no_table() -> None:
    assert packaged_table("toaster", FAMILY) is None


@pytest.mark.parametrize("name", ["../data", "cpu-torch.latency", "*", ""])
def test_a_name_is_no_path_or_pattern(name: str) -> None:
    assert packaged_table(name, FAMILY) is None


def test_the_accuracy_predictor_is_for_the_whole_space_at_224_pixels(
    accuracy: AccuracyPredictor,
) -> None:
    assert accuracy.space == SPACE


@pytest.mark.parametrize(("family", "name"), TABLES, ids=str)
def test_tables_are_for_every_subnet_of_their_family(family: Family, name: str) -> None:
    table = load_table(family, name)
    assert table.family == family
    assert table.resolutions == (family.resolutions[0], family.resolutions[-1])
    space = SearchSpace(family)
    predicted = LatencyPredictor(table=table, space=space).predict(space.sample(1000, seed=0))
    assert np.isfinite(predicted).all()
    assert (predicted > 0).all()


@pytest.mark.parametrize(("family", "name"), TABLES, ids=str)
def test_tables_have_the_layers_of_their_space_and_no_others(family: Family, name: str) -> None:
    table = load_table(family, name)
    space = SearchSpace(family, resolution=table.resolutions)
    layers = {(p.layer, p.values[0]) for p in placements(space)}
    assert len(table) == len({layer for layer, _ in layers})
    for layer, resolution in layers:
        entry = table.layer(layer, resolution)
        assert entry.mean_ms > 0
        assert entry.std_ms >= 0
        assert entry.n_runs >= 10


def test_predictions_are_finite(predictor: Predictor) -> None:
    assert np.isfinite(predictor.predict(SPACE.sample(1000, seed=0))).all()


def test_the_largest_subnet_is_above_the_smallest(predictor: Predictor) -> None:
    smallest, largest = predictor.predict(SPACE.to_matrix([SPACE.smallest(), SPACE.largest()]))
    assert smallest < largest


def test_no_accuracy_is_far_outside_what_was_measured(accuracy: AccuracyPredictor) -> None:
    low, high = accuracy.metadata["measured_top1_range"]
    predicted = accuracy.predict(SPACE.sample(20_000, seed=0))
    assert low - 1 < predicted.min() < predicted.max() < high + 0.5


def test_the_accuracy_predictor_tells_its_source(accuracy: AccuracyPredictor) -> None:
    source = accuracy.metadata["source"]
    assert source["license"] == "Apache-2.0"
    assert source["repository"] == "https://github.com/IntelLabs/DyNAS-T"
    assert len(source["commit"]) == 40


@pytest.mark.parametrize(("family", "name"), TABLES, ids=str)
def test_tables_tell_how_they_were_measured(family: Family, name: str) -> None:
    metadata = load_table(family, name).metadata
    assert name == f"cpu-{metadata['runtime']}"
    settings = metadata["settings"]
    assert (settings["threads"], settings["batch"], settings["precision"]) == (1, 1, "float32")
    assert all(metadata[key] for key in ("processor", "versions", "date", "clock", "method"))
    assert metadata["noise_percent"] < 10
    assert metadata["failures"] == {}


def test_runtimes_order_subnets_differently() -> None:
    matrix = SPACE.sample(300, seed=0)
    predicted = {
        name: LatencyPredictor(table=load_table(FAMILY, name), space=SPACE).predict(matrix)
        for name in table_names(FAMILY)
    }
    assert kendall_tau(predicted["cpu-onnxruntime"], predicted["cpu-executorch"]) < 0.85


@pytest.mark.parametrize("split", range(5), ids=lambda i: f"split {i}")
def test_held_out_subnets_are_predicted_well(accuracy: AccuracyPredictor, split: int) -> None:
    scores = accuracy.metadata["held_out"]["splits"][split]
    assert scores["tau"] >= 0.94
    assert scores["rmse"] <= 0.10
    assert 0.85 <= scores["coverage_90"] <= 0.95


@pytest.mark.parametrize("simpler", ["one_hot", "macs"])
def test_simpler_models_are_worse(accuracy: AccuracyPredictor, simpler: str) -> None:
    splits = accuracy.metadata["held_out"]["splits"]
    assert all(split["tau"] > split[simpler]["tau"] for split in splits)
    assert all(split["rmse"] < split[simpler]["rmse"] for split in splits)


def test_the_script_reproduces_a_split(
    accuracy: AccuracyPredictor, example: ModuleType, shared_data: Path
) -> None:
    rows = example.read(shared_data / "ofa_mbv3_w1.0_measured", SPACE)
    matrix, top1, noise = example.merge(*rows)
    stored = accuracy.metadata
    assert (len(matrix), noise) == (stored["n_subnets"], pytest.approx(stored["repeat_std"]))
    scores = example.evaluate(SPACE, matrix, top1, 0)
    expected = stored["held_out"]["splits"][0]
    assert scores == {key: pytest.approx(expected[key], rel=1e-6) for key in scores}


def test_the_script_reproduces_the_predictor(
    accuracy: AccuracyPredictor, example: ModuleType, shared_data: Path
) -> None:
    rows = example.read(shared_data / "ofa_mbv3_w1.0_measured", SPACE)
    fitted = example.fit(SPACE, *rows)
    matrix = SPACE.sample(100, seed=0)
    np.testing.assert_allclose(fitted.predict(matrix), accuracy.predict(matrix), atol=1e-6)


def test_kendall_tau_of_the_script_counts_ties(example: ModuleType) -> None:
    a, b = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 3.0])
    # 4 pairs agree, one is tied in each vector: 4 / sqrt(5 * 5)
    assert example.kendall_tau(a, b) == pytest.approx(0.8)


def test_a_family_of_ones_own_has_nothing_packaged() -> None:
    own = mobilenet_v3_small_images("*")
    assert table_names(own) == []
    assert default_table_name(own) is None
    assert packaged_accuracy(own) is None

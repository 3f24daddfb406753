"""The packaged predictor and table: what they are for, where they are from, how good they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from optuna_ofa import AccuracyPredictor, LatencyPredictor, LatencyTable, SearchSpace
from optuna_ofa._json_format import decode_array
from optuna_ofa.costs import placements
from optuna_ofa.data import default_table_name, packaged_accuracy, packaged_table, table_names
from optuna_ofa.predictors import Predictor, kendall_tau
from optuna_ofa.space import Family, families, get_family, mobilenet_v3_small_images

FAMILY = get_family("ofa_mbv3_w1.0")
LITE = get_family("efficientnet_lite0")
TABLE = "cpu-torch"
TABLES = [(f, name) for f in (*families(), LITE) for name in table_names(f)]
SPACE = SearchSpace(FAMILY)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fit_default_accuracy.py"


@pytest.fixture(scope="module")
def accuracy() -> AccuracyPredictor:
    path = packaged_accuracy(FAMILY)
    assert path is not None
    return AccuracyPredictor.load(path)


@pytest.fixture(scope="module")
def linear() -> AccuracyPredictor:
    path = packaged_accuracy(FAMILY, "linear")
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
        ("ofa_mbv3_w1.0", ["executorch", "litert", "onnxruntime", "openvino", "torch"]),
        ("ofa_mbv3_w1.2", ["executorch", "litert", "onnxruntime", "openvino", "torch"]),
        ("ofa_proxyless_w1.3", ["onnxruntime"]),
        ("ofa_resnet50", ["onnxruntime"]),
        ("efficientnet_lite0", ["onnxruntime"]),
    ],
)
def test_runtimes_have_a_table(name: str, runtimes: list[str]) -> None:
    assert table_names(get_family(name)) == [f"cpu-{runtime}" for runtime in runtimes]


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_mbv3_w1.2"])
def test_a_study_takes_that_of_torch_by_default(name: str) -> None:
    assert default_table_name(get_family(name)) == TABLE


@pytest.mark.parametrize("name", ["ofa_proxyless_w1.3", "ofa_resnet50", "efficientnet_lite0"])
def test_a_family_without_one_of_torch_has_another_default(name: str) -> None:
    assert default_table_name(get_family(name)) == "cpu-onnxruntime"


def test_every_family_has_a_table_by_name() -> None:
    assert all(table_names(family) for family in families())


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


def test_the_accuracy_predictors_are_for_the_whole_space(
    accuracy: AccuracyPredictor, linear: AccuracyPredictor
) -> None:
    assert accuracy.space == linear.space == SPACE


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
    assert low - 2 < predicted.min() < predicted.max() < high + 0.5


def test_accuracy_grows_with_the_resolution(accuracy: AccuracyPredictor) -> None:
    matrix = np.repeat(SPACE.sample(50, seed=0), len(SPACE.resolutions), axis=0)
    matrix[:, 0] = np.tile(SPACE.resolutions, 50)
    rises = np.diff(accuracy.predict(matrix).reshape(50, -1), axis=1)
    assert (rises > 0).all()


def test_resolutions_between_the_measured_ones_are_inside(accuracy: AccuracyPredictor) -> None:
    matrix = SPACE.sample(1_000, seed=0)
    assert accuracy.support is not None
    assert accuracy.support.seen[0] == (128, 160, 192, 224)
    assert not accuracy.support.outside(matrix, accuracy.predict(matrix)).resolution.any()


def test_the_accuracy_predictor_tells_its_sources(accuracy: AccuracyPredictor) -> None:
    licences = {source["license"]: source for source in accuracy.metadata["sources"]}
    assert set(licences) == {"Apache-2.0", "none stated"}
    assert all(len(source["commit"]) == 40 for source in licences.values())
    assert licences["none stated"]["resolutions"] == [128, 160, 192]


def test_the_files_have_no_measured_subnet(
    accuracy: AccuracyPredictor, example: ModuleType, shared_data: Path
) -> None:
    path = packaged_accuracy(FAMILY)
    assert path is not None
    model = json.loads(path.read_text())["model"]
    points = decode_array(model, "points", np.int16, (None, len(SPACE.genes)))
    measured = example.read(*sources(shared_data), SPACE).matrix
    assert not set(map(bytes, points)) & set(map(bytes, measured))


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


BARS = {"128 pixels": 0.27, "160 pixels": 0.21, "192 pixels": 0.20, "mbnv3": 0.09, "random": 0.20}


def test_what_was_left_out_is_predicted_well(accuracy: AccuracyPredictor) -> None:
    splits = accuracy.metadata["held_out"]["splits"]
    assert len(splits) == 4 + 3 + 6
    for split in splits:
        name = split["left_out"]
        bar = next((rmse for start, rmse in BARS.items() if name.startswith(start)), 0.2)
        assert split["rmse"] <= bar, name
        assert abs(split["bias"]) <= 0.1, name
        assert split["coverage_90"] >= 0.85, name


def test_the_linear_one_is_nearly_as_good(linear: AccuracyPredictor) -> None:
    for split in linear.metadata["held_out"]["splits"]:
        assert split["rmse"] <= 0.28, split["left_out"]
        assert split["coverage_90"] >= 0.8, split["left_out"]


def sources(shared_data: Path) -> tuple[Path, Path]:
    below = shared_data / "ofa_mbv3_w1.0_resolutions" / "top1_128_160_192.csv"
    return shared_data / "ofa_mbv3_w1.0_measured", below


def test_the_script_reproduces_the_linear_predictor_and_a_split(
    linear: AccuracyPredictor, example: ModuleType, shared_data: Path
) -> None:
    rows = example.read(*sources(shared_data), SPACE)
    fitted = example.fit(SPACE, rows, "ridge")
    matrix = SPACE.sample(100, seed=0)
    np.testing.assert_allclose(fitted.predict(matrix), linear.predict(matrix), atol=1e-6)
    assert len(rows.top1) == linear.metadata["n_rows"]
    left_out = example.splits(rows)["160 pixels"]
    part = rows.select(left_out)
    offsets = fitted.metadata["groups"]
    top1 = part.top1 - [offsets[name]["offset"] for name in part.group]
    predictor = example.fit(SPACE, rows.select(~left_out), "ridge")
    (stored,) = (
        split
        for split in linear.metadata["held_out"]["splits"]
        if split["left_out"] == "160 pixels"
    )
    scores = example.score(predictor, part.matrix, top1)
    assert scores == {key: pytest.approx(stored[key], rel=1e-3) for key in scores}


def test_a_family_of_ones_own_has_nothing_packaged() -> None:
    own = mobilenet_v3_small_images("*")
    assert table_names(own) == []
    assert default_table_name(own) is None
    assert packaged_accuracy(own) is None

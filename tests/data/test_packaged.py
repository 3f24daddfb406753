"""The packaged predictor and table: what they are for, where they are from, how good they are."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from optuna_ofa import AccuracyPredictor, LatencyPredictor, LatencyTable, Predictor, SearchSpace
from optuna_ofa.data import packaged_accuracy, packaged_table, table_names
from optuna_ofa.space import Family, Layer, families, get_family, slots

FAMILY = get_family("ofa_mbv3_w1.0")
TABLE = "cpu-torch"
SPACE = SearchSpace(FAMILY, resolution=224)
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fit_default_accuracy.py"


@pytest.fixture(scope="module")
def accuracy() -> AccuracyPredictor:
    path = packaged_accuracy(FAMILY)
    assert path is not None
    return AccuracyPredictor.load(path)


@pytest.fixture(scope="module")
def table() -> LatencyTable:
    path = packaged_table(TABLE, FAMILY)
    assert path is not None
    return LatencyTable.load(path)


@pytest.fixture(params=["top1", "latency_ms"])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    if request.param == "top1":
        return request.getfixturevalue("accuracy")
    return LatencyPredictor(table=request.getfixturevalue("table"), space=SPACE)


@pytest.fixture(scope="module")
def example(import_path: Callable[[Path], ModuleType]) -> ModuleType:
    return import_path(EXAMPLE)


def test_the_table_is_listed() -> None:
    assert TABLE in table_names(FAMILY)


@pytest.mark.parametrize(
    "find",
    [packaged_accuracy, lambda family: packaged_table(TABLE, family)],
    ids=["accuracy", "table"],
)
@pytest.mark.parametrize("family", [f for f in families() if f != FAMILY], ids=lambda f: f.name)
def test_no_other_family_gets_them(find: Callable[[Family], Path | None], family: Family) -> None:
    assert find(family) is None


def test_an_unknown_device_has_no_table() -> None:
    assert packaged_table("toaster", FAMILY) is None


@pytest.mark.parametrize("name", ["../data", "cpu-torch.latency", "*", ""])
def test_a_name_is_no_path_or_pattern(name: str) -> None:
    assert packaged_table(name, FAMILY) is None


def test_the_accuracy_predictor_is_for_the_whole_space_at_224_pixels(
    accuracy: AccuracyPredictor,
) -> None:
    assert accuracy.space == SPACE


def test_the_table_is_for_the_family_at_224_pixels(table: LatencyTable) -> None:
    table.require(SPACE)
    assert table.resolutions == (224,)
    assert table.metadata["family"] == FAMILY.name


def space_layers() -> set[Layer]:
    settings = [
        (slot, setting)
        for slot in slots(FAMILY)
        for setting in product(*(SPACE.choices[SPACE.genes[j].name] for j in slot.columns))
    ]
    return {layer for slot, setting in settings if (layer := slot.build(*setting)) is not None}


def test_the_table_has_the_layers_of_the_space_and_no_others(table: LatencyTable) -> None:
    layers = space_layers()
    assert len(table) == len(layers)
    assert all(table.layer(layer, 224).mean_ms > 0 for layer in layers)


def test_every_entry_tells_its_scatter_and_its_runs(table: LatencyTable) -> None:
    entries = [table.layer(layer, 224) for layer in space_layers()]
    assert all(entry.std_ms > 0 and entry.n_runs >= 30 for entry in entries)


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


def test_the_table_tells_how_it_was_measured(table: LatencyTable) -> None:
    metadata = table.metadata
    assert (metadata["threads"], metadata["batch"]) == (1, 1)
    assert all(metadata[key] for key in ("device", "runtime", "precision", "date", "method"))


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


def test_sums_of_the_table_are_close_to_whole_subnets(table: LatencyTable) -> None:
    figures = table.metadata["sums_against_whole_subnets"]
    assert figures["mape_percent"] <= 5
    assert figures["tau"] >= 0.9


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
    fitted = AccuracyPredictor.fit(SPACE, *rows, penalty=example.PENALTY)
    matrix = SPACE.sample(100, seed=0)
    np.testing.assert_allclose(fitted.predict(matrix), accuracy.predict(matrix), atol=1e-6)


def test_kendall_tau_of_the_script_counts_ties(example: ModuleType) -> None:
    a, b = np.array([1.0, 2.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 3.0])
    # 4 pairs agree, one is tied in each vector: 4 / sqrt(5 * 5)
    assert example.kendall_tau(a, b) == pytest.approx(0.8)

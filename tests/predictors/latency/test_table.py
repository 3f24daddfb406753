"""Tables of one's own: measured, saved and summed up."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    MissingEntryError,
)
from optuna_ofa.predictors import Entry, LatencyPredictor, LatencyTable
from optuna_ofa.space import Layer, SearchSpace, Subnet, get_family, subnet_layers

FAMILY = get_family("ofa_resnet50")
SPACE = SearchSpace(FAMILY).restrict(resolution=[128, 224], width=[0, 2])


def every_layer(space: SearchSpace) -> dict[Layer, Entry]:
    """An entry for each layer of a space, with latencies that tell them apart."""
    subnets = space.from_matrix(space.sample(2000, seed=0))
    layers = sorted({layer for s in subnets for layer in subnet_layers(s)}, key=repr)
    return {layer: Entry(1 + i / 7, (1 + i) / 100, 50) for i, layer in enumerate(layers)}


LATENCIES = every_layer(SPACE)


@pytest.fixture
def table() -> LatencyTable:
    return LatencyTable.from_measurements(
        family=FAMILY,
        resolutions=SPACE.resolutions,
        latencies=LATENCIES,
        metadata={"device": "this one"},
    )


def entries_of(table: LatencyTable, subnet: Subnet) -> list[Entry]:
    return [table.layer(layer, subnet.resolution) for layer in subnet_layers(subnet)]


@pytest.mark.parametrize("mean", [-1.0, math.nan, math.inf, True, "1"], ids=repr)
def test_measurements_are_milliseconds(mean: Any) -> None:
    latencies = LATENCIES | {next(iter(LATENCIES)): Entry(mean)}
    with pytest.raises(InvalidArgumentError, match="`latencies` must be"):
        LatencyTable.from_measurements(family=FAMILY, resolutions=[224], latencies=latencies)


def test_describes_itself(table: LatencyTable) -> None:
    assert (table.dialect, table.resolutions) == ("layers", (128, 224))
    assert table.metadata == {"device": "this one"}
    assert table.family == get_family("ofa_resnet50")
    assert repr(table) == f"LatencyTable(layers, {len(table)} entries, 128..224 px, this one)"


def test_predicts_the_sum_of_the_means(table: LatencyTable) -> None:
    matrix = SPACE.sample(100, seed=1)
    expected = [
        sum(entry.mean_ms for entry in entries_of(table, subnet))
        for subnet in SPACE.from_matrix(matrix)
    ]
    predictor = LatencyPredictor(table=table, space=SPACE)
    np.testing.assert_allclose(predictor.predict(matrix), expected, rtol=1e-12)


def test_standard_deviations_add_in_quadrature(table: LatencyTable) -> None:
    subnet = SPACE.largest()
    expected = math.sqrt(sum(entry.std_ms**2 for entry in entries_of(table, subnet)))
    std = LatencyPredictor(table=table, space=SPACE).predict_std(SPACE.to_matrix([subnet]))
    assert std is not None
    assert std[0] == pytest.approx(expected, rel=1e-12)
    assert table.layers(subnet_layers(subnet), 224).std_ms == pytest.approx(expected, rel=1e-12)


def test_table_without_spread_has_no_standard_deviations() -> None:
    table = LatencyTable.from_measurements(
        family=FAMILY,
        resolutions=SPACE.resolutions,
        latencies={layer: Entry(entry.mean_ms) for layer, entry in LATENCIES.items()},
    )
    assert not table.has_spread
    assert LatencyPredictor(table=table, space=SPACE).predict_std(SPACE.sample(3, seed=0)) is None


def test_one_layer_without_spread_makes_its_subnets_unknown() -> None:
    known = SPACE.subnet(resolution=128, width=0)
    unknown = SPACE.subnet(resolution=224, width=0)
    stem = subnet_layers(unknown)[0]
    table = LatencyTable.from_measurements(
        family=FAMILY, resolutions=SPACE.resolutions, latencies={**LATENCIES, stem: Entry(1.0)}
    )
    predictor = LatencyPredictor(table=table, space=SPACE)
    std = predictor.predict_std(SPACE.to_matrix([known, unknown]))
    assert std is not None
    assert np.isnan(std).tolist() == [False, True]
    alone = predictor.predict_std(SPACE.to_matrix([unknown]))
    assert alone is not None
    assert np.isnan(alone).all()


def test_saved_table_is_the_same(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    assert loaded.metadata == table.metadata
    assert loaded._content == table._content


def test_saved_table_says_its_unit(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "table.json")
    data = json.loads((tmp_path / "table.json").read_text())
    assert (data["format"], data["version"], data["unit"]) == ("optuna_ofa.latency_table", 2, "ms")


def test_another_family_is_refused(table: LatencyTable) -> None:
    space = SearchSpace("ofa_mbv3_w1.2")
    with pytest.raises(FamilyMismatchError, match=r"family ofa_mbv3_w1\.2 .* is of ofa_res"):
        LatencyPredictor(table=table, space=space)


def test_a_resolution_that_was_not_measured_is_refused(table: LatencyTable) -> None:
    with pytest.raises(InvalidArgumentError, match=r"has \[132, .*restrict\(resolution"):
        LatencyPredictor(table=table, space=SearchSpace(FAMILY))


def test_a_missing_layer_names_the_subnet_that_needs_it() -> None:
    gone = next(layer for layer in LATENCIES if layer.role == "stem_skip")
    table = LatencyTable.from_measurements(
        family=FAMILY,
        resolutions=SPACE.resolutions,
        latencies={layer: entry for layer, entry in LATENCIES.items() if layer != gone},
    )
    expected = r"no entry 'stem_skip-.*nearest are stem_skip-.*Needed by ofa_resnet50@.*stem d2"
    with pytest.raises(MissingEntryError, match=expected):
        LatencyPredictor(table=table, space=SPACE)


def test_failing_to_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("old")
    table = LatencyTable.from_measurements(
        family=FAMILY, resolutions=[224], latencies={}, metadata={"bytes": b"not JSON"}
    )
    with pytest.raises(FormatError, match=r"table\.json must hold JSON, .* not JSON serializable"):
        table.save(path)
    assert path.read_text() == "old"


def test_failing_to_replace_leaves_the_old_file_and_nothing_else(
    table: LatencyTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: object, target: object) -> None:
        raise OSError("no space left")

    path = tmp_path / "table.json"
    path.write_text("old")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        table.save(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(path.name, "old")]


def test_saved_file_has_ordinary_permissions(table: LatencyTable, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    table.save(tmp_path / "table.json")
    assert (tmp_path / "table.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_table_of_a_family_of_ones_own_is_bound_to_it(tmp_path: Path) -> None:
    own = replace(FAMILY, name="own")
    path = tmp_path / "t.json"
    LatencyTable.from_measurements(
        family=own, resolutions=SPACE.resolutions, latencies=LATENCIES
    ).save(path)
    table = LatencyTable.load(path)
    assert table.family == get_family(path) == own
    other = replace(own, stages=(*own.stages[:3], replace(own.stages[3], stride=1)))
    with pytest.raises(FamilyMismatchError, match="stride of stage 4: 2 in the table, 1 in the"):
        LatencyPredictor(table=table, space=SearchSpace(other, resolution=SPACE.resolutions))

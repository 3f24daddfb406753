"""Published latency tables against known numbers and the code that came with them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml

from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, MissingEntryError
from optuna_ofa.predictors import LatencyPredictor, LatencyTable
from optuna_ofa.space import (
    Layer,
    SearchSpace,
    layers_from_net_config,
    net_config,
    subnet_layers,
    subnet_to_dialect,
)
from optuna_ofa.space._families import proxylessnas

FILES = {
    "ofa": "note10_w1.2",
    "nsganetv2": "i7-8700k_w1.0/i7-8700K_lut.yaml",
    "proxylessnas": "proxylessnas/mobile_trim.yaml",
}
W12 = SearchSpace("ofa_mbv3_w1.2")


@pytest.fixture(scope="module")
def tables(shared_data: Path) -> dict[str, LatencyTable]:
    return {dialect: LatencyTable.load(shared_data / file) for dialect, file in FILES.items()}


def raw(path: Path) -> dict[str, dict[str, float]]:
    """A YAML file as it is, without the colons that some of its keys end in."""
    content = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return {key.rstrip(":"): value for key, value in content.items()}


@pytest.mark.parametrize(
    ("dialect", "resolutions", "n_entries"),
    [
        ("ofa", range(160, 225, 4), 17 * 96),
        ("nsganetv2", range(96, 257, 4), 4050),
        ("proxylessnas", [224], 72),
    ],
)
def test_dialect_is_recognised(
    tables: dict[str, LatencyTable], dialect: str, resolutions: Any, n_entries: int
) -> None:
    table = tables[dialect]
    assert table.dialect == dialect
    assert table.resolutions == tuple(resolutions)
    assert len(table) == n_entries
    assert table.metadata == {}


def test_one_file_of_a_folder_loads_too(shared_data: Path) -> None:
    table = LatencyTable.load(shared_data / "note10_w1.2" / "176_lookup_table.yaml")
    assert (table.dialect, table.resolutions, len(table)) == ("ofa", (176,), 96)


# ---------------------------------------------------------------------- whole networks


@pytest.mark.parametrize(
    ("dialect", "space", "extreme", "latency_ms"),
    [
        ("ofa", W12.restrict(resolution=[160, 176, 192, 208, 224]), "smallest", 9.890),
        ("ofa", W12.restrict(resolution=[160, 176, 192, 208, 224]), "largest", 92.398),
        ("nsganetv2", W12.restrict(resolution=224), "smallest", 8.0),
        ("nsganetv2", W12.restrict(resolution=224), "largest", 45.9),
    ],
    ids=["note10-smallest", "note10-largest", "i7-smallest", "i7-largest"],
)
def test_known_latency(
    tables: dict[str, LatencyTable],
    dialect: str,
    space: SearchSpace,
    extreme: str,
    latency_ms: float,
) -> None:
    predictor = LatencyPredictor(table=tables[dialect], space=space)
    predicted = predictor.predict(space.to_matrix([getattr(space, extreme)()]))
    digits = len(str(latency_ms).split(".")[1])
    assert predicted[0] == pytest.approx(latency_ms, abs=0.5 * 10 ** -max(digits, 1))


def test_released_config_has_the_latency_of_its_name(
    shared_data: Path, tables: dict[str, LatencyTable]
) -> None:
    path = shared_data / "specialized/note10_lat-30ms_top1-78.4_finetune-75/net.config"
    assert round(tables["ofa"].layers(layers_from_net_config(path, 224), 224).mean_ms, 2) == 29.97


def test_note10_equals_the_code_of_ofa(
    ofa: ModuleType, shared_data: Path, tables: dict[str, LatencyTable]
) -> None:
    from ofa.tutorial.latency_table import LatencyEstimator

    space = W12.restrict(resolution=[160, 164, 224])
    matrix = space.sample(300, seed=0)
    estimators = {}
    for resolution in space.resolutions:
        # its constructor downloads, and reads YAML in a way that PyYAML 6 refuses
        estimators[resolution] = LatencyEstimator.__new__(LatencyEstimator)
        path = shared_data / "note10_w1.2" / f"{resolution}_lookup_table.yaml"
        estimators[resolution].lut = raw(path)
    expected = [
        estimators[s.resolution].predict_network_latency_given_spec(
            subnet_to_dialect(s, "ofa_tutorial")
        )
        for s in space.from_matrix(matrix)
    ]
    predictor = LatencyPredictor(table=tables["ofa"], space=space)
    np.testing.assert_allclose(predictor.predict(matrix), expected, rtol=1e-12)


@pytest.fixture
def their_proxylessnas_table(ofa: ModuleType, shared_data: Path) -> Any:
    from ofa.nas.efficiency_predictor import ProxylessNASLatencyTable

    table = ProxylessNASLatencyTable.__new__(ProxylessNASLatencyTable)
    table.lut = raw(shared_data / "proxylessnas/mobile_trim.yaml")
    return table


def test_proxylessnas_equals_the_code_of_ofa(
    their_proxylessnas_table: Any, tables: dict[str, LatencyTable]
) -> None:
    # what the table was measured for: width 1.0, and no expand ratio of 4
    space = SearchSpace(proxylessnas("proxyless_w1.0", (), 1.0, range(224, 225), expands=(3, 6)))
    matrix = space.sample(300, seed=0)
    expected = [
        their_proxylessnas_table.predict_network_latency_given_config(net_config(subnet), 224)
        for subnet in space.from_matrix(matrix)
    ]
    predictor = LatencyPredictor(table=tables["proxylessnas"], space=space)
    np.testing.assert_allclose(predictor.predict(matrix), expected, rtol=1e-12)


def test_released_proxyless_mobile_is_not_in_its_table(
    their_proxylessnas_table: Any, shared_data: Path, tables: dict[str, LatencyTable]
) -> None:
    """Its second stage has 32 channels where the table has 24; the published code fails too."""
    path = shared_data / "proxylessnas/proxyless_mobile.config"
    key = "expanded_conv-input:112x112x16-output:56x56x32-expand:3-kernel:5-stride:2-idskip:0"
    config = json.loads(path.read_text())
    with pytest.raises(KeyError, match=key):
        their_proxylessnas_table.predict_network_latency_given_config(config, 224)
    with pytest.raises(MissingEntryError, match=f"no entry '{key}'"):
        tables["proxylessnas"].layers(layers_from_net_config(path, 224), 224)


@pytest.mark.parametrize("dialect", ["ofa", "nsganetv2"])
def test_batch_equals_the_sum_over_layers(tables: dict[str, LatencyTable], dialect: str) -> None:
    predictor = LatencyPredictor(table=tables[dialect], space=W12)
    matrix = W12.sample(100, seed=1)
    expected = [
        tables[dialect].layers(subnet_layers(subnet), subnet.resolution)
        for subnet in W12.from_matrix(matrix)
    ]
    std = predictor.predict_std(matrix)
    assert std is not None
    np.testing.assert_allclose(predictor.predict(matrix), [e.mean_ms for e in expected])
    np.testing.assert_allclose(std, [e.std_ms for e in expected])


def test_same_bits_in_any_batch(tables: dict[str, LatencyTable]) -> None:
    predictor = LatencyPredictor(table=tables["ofa"], space=W12)
    matrix = W12.sample(5000, seed=2)
    together = predictor.predict(matrix)
    alone = [predictor.predict(matrix[i : i + 1])[0] for i in range(0, 5000, 50)]
    np.testing.assert_array_equal(alone, together[::50])


# ---------------------------------------------------------------------- single layers


@pytest.mark.parametrize(
    ("dialect", "file", "key"),
    [
        (
            "ofa",
            "note10_w1.2/224_lookup_table.yaml",
            "expanded_conv-input:112x112x24-output:56x56x32-expand:72-kernel:3-stride:2-idskip:0"
            "-se:0-hs:0",
        ),
        (
            "nsganetv2",
            FILES["nsganetv2"],
            "MBConv-input:100x100x16-output:50x50x24-expand:3-kernel:5-stride:2-idskip:0-se:0",
        ),
        (
            "proxylessnas",
            FILES["proxylessnas"],
            "expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:5-stride:2-idskip:0",
        ),
    ],
    ids=list(FILES),
)
def test_entries_have_the_means_of_the_file(
    shared_data: Path, tables: dict[str, LatencyTable], dialect: str, file: str, key: str
) -> None:
    found = [s.entries[key].mean_ms for s in tables[dialect].content.sections if key in s.entries]
    assert found == [raw(shared_data / file)[key]["mean"]]


def test_sections_with_the_same_key_are_told_apart_by_the_resolution(
    shared_data: Path, tables: dict[str, LatencyTable]
) -> None:
    expected = raw(shared_data / "note10_w1.2" / "192_lookup_table.yaml")
    layer = Layer("feature_mix", "conv", 1152, 1536, 1, 1)
    key = "Conv_2-input:1x1x1152-output:1x1x1536"
    assert tables["ofa"].layer(layer, 192).mean_ms == expected[key]["mean"]


def test_a_size_that_the_table_lacks_is_refused(tables: dict[str, LatencyTable]) -> None:
    layer = Layer("feature_mix", "conv", 1152, 1536, 1, 1)
    with pytest.raises(InvalidArgumentError, match=r"`resolution` must be one that .* got 162"):
        tables["ofa"].layer(layer, 162)


def test_a_missing_layer_names_the_nearest(tables: dict[str, LatencyTable]) -> None:
    expected = r"no entry 'Conv-input:224x224x3-output:112x112x25'.* Conv-input:224x224x3-output:"
    with pytest.raises(MissingEntryError, match=expected):
        tables["ofa"].layer(Layer("stem", "conv", 3, 25, 224, 112), 224)


# ---------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("dialect", "family", "error", "match"),
    [
        ("ofa", "ofa_mbv3_w1.0", FamilyMismatchError, r"16 channels.*\[24\]: another width"),
        ("ofa", "ofa_resnet50", FamilyMismatchError, "table for ofa_resnet50.*for MobileNetV3"),
        ("ofa", "ofa_proxyless_w1.3", FamilyMismatchError, "for MobileNetV3"),
        ("nsganetv2", "ofa_resnet50", FamilyMismatchError, "for MobileNetV3"),
        ("proxylessnas", "ofa_mbv3_w1.2", FamilyMismatchError, "for ProxylessNASNets"),
        ("proxylessnas", "ofa_proxyless_w1.3", FamilyMismatchError, r"40 channels.*\[32\]"),
    ],
)
def test_another_family_or_width_is_refused(
    tables: dict[str, LatencyTable], dialect: str, family: str, error: Any, match: str
) -> None:
    with pytest.raises(error, match=match):
        LatencyPredictor(table=tables[dialect], space=SearchSpace(family).restrict(resolution=224))


def test_another_resolution_is_refused(tables: dict[str, LatencyTable]) -> None:
    space = SearchSpace("ofa_mbv3_w1.2", resolution=[224, 256])
    with pytest.raises(InvalidArgumentError, match=r"`resolution` must be .*space has \[256\] too"):
        LatencyPredictor(table=tables["ofa"], space=space)


def test_the_desktop_table_has_both_widths(tables: dict[str, LatencyTable]) -> None:
    smallest = []
    for name in ("ofa_mbv3_w1.0", "ofa_mbv3_w1.2"):
        space = SearchSpace(name).restrict(resolution=224)
        predictor = LatencyPredictor(table=tables["nsganetv2"], space=space)
        smallest.append(predictor.predict(space.to_matrix([space.smallest()]))[0])
    assert smallest[0] < smallest[1]


@pytest.mark.parametrize("dialect", FILES)
def test_saved_table_is_the_same(
    tables: dict[str, LatencyTable], dialect: str, tmp_path: Path
) -> None:
    tables[dialect].save(tmp_path / "table.json")
    loaded = LatencyTable.load(tmp_path / "table.json")
    ours, theirs = loaded._content, tables[dialect]._content
    assert ours.dialect == theirs.dialect
    assert [s.resolutions for s in ours.sections] == [s.resolutions for s in theirs.sections]
    for a, b in zip(ours.sections, theirs.sections, strict=True):
        assert dict(a.entries) == dict(b.entries)

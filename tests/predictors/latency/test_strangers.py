"""Tables of other people: doubtful ones, several devices, and their own ways of asking."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from optuna_ofa import LatencyTable, SearchSpace
from optuna_ofa.costs import placements
from optuna_ofa.data import packaged_table, table_names
from optuna_ofa.exceptions import (
    FormatError,
    ImplausibleValueWarning,
    InvalidArgumentError,
    MissingEntryError,
)
from optuna_ofa.predictors import Entry
from optuna_ofa.space import families

NOTE10 = "note10_w1.2"
PUBLISHED = (NOTE10, "i7-8700k_w1.0/i7-8700K_lut.yaml", "proxylessnas/mobile_trim.yaml")
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
LAYERS = list(dict.fromkeys(place.layer for place in placements(SPACE)))
Means = dict[str, dict[str, float]]


def read(path: Path) -> Means:
    content: Means = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return content


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(yaml.safe_dump(content))


def note10(shared_data: Path, resolution: int) -> Means:
    return read(shared_data / NOTE10 / f"{resolution}_lookup_table.yaml")


@pytest.mark.parametrize("file", PUBLISHED)
def test_published_tables_are_not_doubtful(file: str, shared_data: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LatencyTable.load(shared_data / file).check() == ()


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_packaged_tables_are_not_doubtful(family: Any) -> None:
    for name in table_names(family):
        assert LatencyTable.load(packaged_table(name, family) or "").check() == ()


def exchange_kernels(table: Means) -> Means:
    """Swap the entries of the largest and the smallest kernel."""
    swapped = {"3": "7", "7": "3"}

    def other(key: str) -> str:
        return re.sub(r"kernel:([37])", lambda match: f"kernel:{swapped[match[1]]}", key)

    return {key: table.get(other(key), value) for key, value in table.items()}


@pytest.mark.parametrize(
    ("changed", "match"),
    [(exchange_kernels, "larger kernels that are faster than smaller ones, in .* pairs")],
    ids=["kernels"],
)
def test_a_table_that_does_not_grow_is_doubtful(
    changed: Callable[[Means], Means], match: str, shared_data: Path, tmp_path: Path
) -> None:
    write(tmp_path, "224.yaml", changed(note10(shared_data, 224)))
    with pytest.warns(ImplausibleValueWarning, match=match) as record:
        table = LatencyTable.load(tmp_path / "224.yaml")
    assert len(record) == 1
    assert "\n" not in str(record[0].message)
    assert re.search(match, table.check()[0])


def renamed(shared_data: Path, folder: Path, other: int, times: float) -> None:
    """Write the entries of 224 pixels under the keys of 160, and those of ``other`` as 224."""
    small, large = note10(shared_data, 160), note10(shared_data, 224)
    write(
        folder, "a.yaml", dict(zip(sorted(small), [large[k] for k in sorted(large)], strict=True))
    )
    values = note10(shared_data, other)
    scaled = [{"mean": times * values[k]["mean"]} for k in sorted(values)]
    write(folder, "b.yaml", dict(zip(sorted(large), scaled, strict=True)))


def test_more_pixels_that_are_faster_are_doubtful(shared_data: Path, tmp_path: Path) -> None:
    renamed(shared_data, tmp_path, 200, 1.0)
    with pytest.warns(ImplausibleValueWarning, match="faster with more pixels, in .* pairs"):
        LatencyTable.load(tmp_path)


def test_entries_of_another_resolution_are_doubtful(shared_data: Path, tmp_path: Path) -> None:
    renamed(shared_data, tmp_path, 224, 1.0)
    with pytest.warns(ImplausibleValueWarning, match="equal to another resolution's to the last"):
        LatencyTable.load(tmp_path)


@pytest.mark.parametrize(
    ("resolutions", "times"),
    # from 160 to 224 pixels, twice the latency may be due to twice the pixels
    [(near, t) for near in [(220, 224)] for t in (0.01, 0.5, 2, 100)]
    + [((160, 224), 0.01), ((160, 224), 100)],
)
def test_a_folder_of_two_devices_is_refused(
    resolutions: tuple[int, int], times: float, shared_data: Path, tmp_path: Path
) -> None:
    first, second = (note10(shared_data, r) for r in resolutions)
    write(tmp_path, "a.yaml", first)
    write(tmp_path, "b.yaml", {k: {"mean": times * v["mean"]} for k, v in second.items()})
    with pytest.raises(FormatError, match=r"a\.yaml and b\.yaml differ by a factor of"):
        LatencyTable.load(tmp_path)


def test_a_folder_of_two_processors_is_refused(tmp_path: Path) -> None:
    for resolution, name in ((192, "Pixel"), (224, "Note10")):
        space = SearchSpace("ofa_mbv3_w1.0", resolution=resolution)
        LatencyTable.from_measurements(
            family=space.family,
            resolutions=[resolution],
            latencies={place.layer: 1.0 for place in placements(space)},
            metadata={"processor": name},
        ).save(tmp_path / f"{name}.json")
    with pytest.raises(FormatError, match=r"tables of one device, but .* Note10, Pixel"):
        LatencyTable.load(tmp_path)


# ---------------------------------------------------------------------- one's own measurements


def from_layers(latencies: Any) -> LatencyTable:
    return LatencyTable.from_measurements(
        family=SPACE.family, resolutions=[224], latencies=latencies
    )


def test_plain_numbers_are_milliseconds() -> None:
    table = from_layers({LAYERS[0]: 2.5, LAYERS[1]: 1})
    assert table.layer(LAYERS[0], 224).mean_ms == 2.5
    assert math.isnan(table.layer(LAYERS[0], 224).std_ms)


@pytest.mark.parametrize(
    "value",
    [-1.0, math.nan, math.inf, True, "1", None, 1e6, Entry(1.0, -1.0), Entry(1.0, math.inf)],
    ids=repr,
)
def test_values_that_are_no_latencies_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`latencies.* must be"):
        from_layers({LAYERS[0]: value})


def test_two_layers_with_one_key_are_refused() -> None:
    block = next(layer for layer in LAYERS if layer.role == "block")
    twin = replace(block, use_bn=not block.use_bn)
    with pytest.raises(InvalidArgumentError, match="each layer once, but got two with the key 'bl"):
        from_layers({block: 1.0, twin: 2.0})


# ---------------------------------------------------------------------- query


@pytest.mark.parametrize("as_text", [False, True], ids=["lists", "texts"])
def test_query_is_that_of_proxylessnas(as_text: bool, shared_data: Path) -> None:
    path = shared_data / PUBLISHED[2]
    table = LatencyTable.load(path)
    key = "expanded_conv-input:112x112x16-output:56x56x24-expand:3-kernel:5-stride:2-idskip:0"
    expected = {k.rstrip(":"): v for k, v in read(path).items()}
    shapes: Any = ("112x112x16", "56x56x24") if as_text else ([112, 112, 16], (56, 56, 24))
    entry = table.query("expanded_conv", *shapes, 3, 5, 2, 0)
    assert entry == table.query(
        l_type="expanded_conv", input_shape=shapes[0], output_shape=shapes[1],
        expand=3, ks=5, stride=2, id_skip=0,
    )  # fmt: skip
    assert entry.mean_ms == expected[key]["mean"]
    assert entry.std_ms == pytest.approx(math.sqrt(expected[key]["var"]))
    logits = table.query("Logits", [7, 7, 1280], [1000])
    assert logits.mean_ms == expected["Logits-input:7x7x1280-output:1000"]["mean"]


def test_query_of_ofa_needs_a_resolution_where_there_are_several(shared_data: Path) -> None:
    table = LatencyTable.load(shared_data / NOTE10)
    with pytest.raises(InvalidArgumentError, match="`resolution` must be given for 'Conv_2-"):
        table.query("Conv_2", [1, 1, 1152], [1, 1, 1536])
    expected = note10(shared_data, 176)["Conv_2-input:1x1x1152-output:1x1x1536"]["mean"]
    assert table.query("Conv_2", "1x1x1152", "1x1x1536", resolution=176).mean_ms == expected
    block = "expanded_conv", "112x112x24", "56x56x32", 72, 3, 2, 0, 0, 0
    assert table.query(*block).mean_ms == pytest.approx(2.467, abs=1e-3)
    with pytest.raises(InvalidArgumentError, match=r"`se` must be given for a block of .* ofa"):
        table.query(*block[:-2])
    with pytest.raises(MissingEntryError, match=r"no entry 'Conv_2-.*the nearest are Conv_2"):
        table.query("Conv_2", [1, 1, 1], [1, 1, 1536])


@pytest.mark.parametrize("shape", ["112x", "axb", [1, 2, 3, 4], [1.5], [], [-1]], ids=repr)
def test_shapes_are_sizes(shape: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`input_shape"):
        from_layers({LAYERS[0]: 1.0}).query("stem", shape, [112, 112, 16])

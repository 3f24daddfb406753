"""Files and folders that are no latency table, or a hostile one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors import Entry, LatencyTable

STEM = "Conv-input:224x224x3-output:112x112x24"
BLOCK = "expanded_conv-input:7x7x8-output:7x7x8-expand:24-kernel:3-stride:1-idskip:1-se:0-hs:0"
OTHER_BLOCK = "expanded_conv-input:7x7x8-output:7x7x8-expand:3-kernel:3-stride:1-idskip:1"
OWN: dict[str, Any] = {
    "format": "optuna_ofa.latency_table",
    "version": 2,
    "unit": "ms",
    "keys": "ofa",
    "sections": [{"resolutions": [224], "entries": {STEM: {"mean": 1.0}}}],
}


def table(stem: str = "{mean: 1.0}", block: str = BLOCK, stem_key: str = STEM) -> str:
    """A small table in the dialect ``ofa``."""
    return f"{stem_key}: {stem}\n{block}: {{mean: 2.0}}\n"


def section(entries: dict[str, Any], *resolutions: int) -> dict[str, Any]:
    return {"resolutions": list(resolutions) or [224], "entries": entries}


def load(folder: Path, text: str, name: str = "table.yaml") -> LatencyTable:
    (folder / name).write_text(text)
    return LatencyTable.load(folder / name)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("{mean: 3, std: 0.5, count: 9}", Entry(3.0, 0.5, 9)),
        ("{mean: 3.0, var: 0.25}", Entry(3.0, 0.5, 0)),
        ("{mean: 0}", Entry(0.0, math.nan, 0)),
    ],
    ids=["std", "variance", "no-spread"],
)
def test_entry(tmp_path: Path, stem: str, expected: Entry) -> None:
    found = load(tmp_path, table(stem)).content.sections[0].entries[STEM]
    assert repr(found) == repr(expected)  # NaN is not equal to itself


def test_json_in_a_published_dialect_is_read(tmp_path: Path) -> None:
    text = json.dumps({STEM: {"mean": 1.0}, BLOCK: {"mean": 2.0}})
    assert load(tmp_path, text, "table.json").content.sections[0].entries[STEM].mean_ms == 1.0


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must hold a mapping of layers, but .* holds NoneType"),
        ("- 1\n- 2\n", "must hold a mapping of layers, but .* holds list"),
        ("{}", "must hold a mapping of layers"),
        ("a: [1", "must be YAML, but .*table.yaml is not"),
        ("a: !!python/object/apply:os.getcwd []", "python/object/apply:os.getcwd"),
        ("a: " + "[" * 100_000 + "]" * 100_000, "nested more than 100 deep"),
        ("a: &x {mean: 1}\nb: *x\n", "an anchor or an alias"),
        ("a: {mean: 1}\n", "one of the dialects ofa, proxylessnas, .* are like 'a'"),
        (table(block="block"), "one of the dialects"),
        (table("1.0"), "`Conv-input:.*` in .* must be a mapping with `mean`, but is 1.0"),
        (table("{std: 1.0}"), "must be a mapping with `mean`"),
        (
            table("{mean: -1}"),
            "`mean` of `Conv-.*` in .*table.yaml must be .* 0 to 60,000, but is -1",
        ),
        (table("{mean: .nan}"), "it has .nan, which is not finite"),
        (table("{mean: .inf}"), "it has .inf"),
        (table("{mean: fast}"), "from 0 to 60,000, but is .fast"),
        (table("{mean: true}"), "from 0 to 60,000, but is True"),
        (table("{mean: [1]}"), r"from 0 to 60,000, but is \[1\]"),
        (table("{mean: 1, std: -1}"), "`std` of .* from 0 to 20, but is -1"),
        (table("{mean: 1, std: .inf}"), "it has .inf, which is not finite"),
        (table("{mean: 1, var: -1}"), "`var` of .* from 0 to 400, but is -1"),
        (table("{mean: 1, count: -.Inf}"), "it has -.Inf"),
    ],
    ids=[
        "empty",
        "list",
        "no-keys",
        "truncated",
        "python-object",
        "deep",
        "alias",
        "other-keys",
        "no-block",
        "number",
        "no-mean",
        "negative",
        "nan",
        "infinite",
        "word",
        "boolean",
        "nested-mean",
        "negative-std",
        "infinite-std",
        "negative-variance",
        "infinite-count",
    ],
)
def test_broken_yaml_is_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (json.dumps(OWN)[:-9], "must be JSON, but .*table.json is not"),
        ("[" * 200_000, "must be JSON, but .* nested more than 100 deep"),
        (json.dumps({STEM: {"mean": math.nan}}), "it has NaN"),
    ],
    ids=["truncated", "deep", "nan"],
)
def test_broken_json_is_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        load(tmp_path, text, "table.json")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": 3}, "must hold .*latency_table. version 2, but .* has version 3"),
        ({"keys": "other"}, "`keys` of .* must be one of .*'layers'.* but is 'other'"),
        ({"metadata": "me"}, "`metadata` of .* must be an object"),
        ({"sections": None}, "`sections` a list, not empty, but got .*None"),
        ({"sections": []}, "`sections` a list, not empty"),
        ({"sections": [7]}, "`sections` of .* must be objects with `resolutions`"),
        ({"sections": [{"entries": {}}]}, "must be objects with `resolutions`"),
        ({"sections": [{"resolutions": [], "entries": {}}]}, "must be a list of sizes"),
        ({"sections": [{"resolutions": "224", "entries": {}}]}, "must be a list of sizes"),
        ({"sections": [{"resolutions": [-1], "entries": {}}]}, "from 1 to 8,192, but is -1"),
        ({"sections": [{"resolutions": [224], "entries": []}]}, "must be objects"),
        ({"sections": [section({STEM: {"mean": -1}})]}, "`mean` of .* but is -1"),
    ],
    ids=[
        "version",
        "keys",
        "metadata",
        "no-sections",
        "empty",
        "number",
        "no-resolutions",
        "empty-resolutions",
        "text",
        "negative",
        "entries",
        "mean",
    ],
)
def test_broken_file_of_our_own_is_refused(
    tmp_path: Path, changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(FormatError, match=match):
        load(tmp_path, json.dumps(OWN | changes), "table.json")


def test_small_file_of_our_own_is_read(tmp_path: Path) -> None:
    assert len(load(tmp_path, json.dumps(OWN), "table.json")) == 1


def test_long_values_are_shortened(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"but is \[0, 0, ") as info:
        load(tmp_path, table(str([0] * 10_000)))
    assert len(str(info.value)) < 500


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "table.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(FormatError, match="`path` must be a text file in UTF-8"):
        LatencyTable.load(tmp_path / "table.yaml")


def test_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    with path.open("wb") as file:
        file.truncate(65_000_000)
    with pytest.raises(FormatError, match=r"a file of at most 64 MB \(`max_mb`\), but .* of 65 MB"):
        LatencyTable.load(path)
    with pytest.raises(FormatError, match="null characters"):
        LatencyTable.load(path, max_mb=65)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`path` must be a file, but .*none.yaml does not exist"):
        LatencyTable.load(tmp_path / "none.yaml")


def test_folder_without_tables_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no table")
    with pytest.raises(FormatError, match=r"must hold .yaml or .json tables, but .* has none"):
        LatencyTable.load(tmp_path)


def test_folder_of_several_dialects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(table())
    (tmp_path / "b.yaml").write_text(table(block=OTHER_BLOCK))
    with pytest.raises(FormatError, match=r"one dialect .* has \['ofa', 'proxylessnas'\]"):
        LatencyTable.load(tmp_path)


def test_a_table_of_zeros_is_refused(tmp_path: Path) -> None:
    sections = [section({STEM: {"mean": 0}, BLOCK: {"mean": 0.0}})]
    path = tmp_path / "table.json"
    path.write_text(json.dumps(OWN | {"sections": sections}))
    with pytest.raises(FormatError, match=r"positive milliseconds .* has 2 of 2 that are 0"):
        LatencyTable.load(path)


def test_folder_of_several_families_is_refused(tmp_path: Path) -> None:
    for resolution, family in ((192, "ofa_mbv3_w1.0"), (224, "ofa_mbv3_w1.2")):
        sections = [section({STEM: {"mean": 1.0}}, resolution)]
        data = OWN | {"family": family, "sections": sections}
        (tmp_path / f"{resolution}.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=r"one dialect and family, but .*'ofa ofa_mbv3_w1.2'"):
        LatencyTable.load(tmp_path)


def test_folder_with_two_tables_of_a_resolution_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(table())
    (tmp_path / "b.yaml").write_text(table())
    with pytest.raises(FormatError, match=r"one table per resolution, but .* several for \[224\]"):
        LatencyTable.load(tmp_path)


def test_folder_joins_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(table())
    (tmp_path / "b.yml").write_text(table(stem_key="Conv-input:192x192x3-output:96x96x24"))
    assert LatencyTable.load(tmp_path).resolutions == (192, 224)


KEYS = [f"stem-input:{r}x{r}x3-output:{r // 2}x{r // 2}x16" for r in range(20, 40)]


def own(**changes: Any) -> dict[str, Any]:
    """A table of twenty layers that take about the same time for their size."""
    entries = {key: {"mean": 1e-3 * 4**i, "count": 9} for i, key in enumerate(KEYS[:2])}
    entries |= {key: {"mean": 0.002, "std": 0.001, "count": 9} for key in KEYS[2:]}
    return OWN | {"keys": "layers", "sections": [section(entries)]} | changes


@pytest.mark.parametrize(
    ("unit", "factor"), [("ms", 1), ("s", 1000), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6)]
)
def test_units_are_converted(unit: str, factor: float, tmp_path: Path) -> None:
    table = load(tmp_path, json.dumps(own(unit=unit)), "table.json")
    entry = table.content.sections[0].entries[KEYS[5]]
    assert entry.mean_ms == pytest.approx(0.002 * factor, rel=1e-12)
    assert entry.std_ms == pytest.approx(0.001 * factor, rel=1e-12)
    assert entry.n_runs == 9


@pytest.mark.parametrize("unit", ["", "sec", None, 1])
def test_unknown_units_are_refused(unit: Any, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`unit` of .*table.json must be one of s, ms, us"):
        load(tmp_path, json.dumps(own(unit=unit)), "table.json")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"mean": True}, "`mean` of `stem-.*table.json must be a number from 0 to 60,000"),
        ({"mean": "0.002"}, "`mean` of .* but is '0.002'"),
        ({"mean": 60_001}, "`mean` of .* from 0 to 60,000, but is 60001"),
        ({"mean": 2.0}, "`mean` of .* must be like those of other layers, .* is 2 ms"),
        ({"mean": 1e-9, "std": 0}, "must be like those of other layers"),
        ({"std": -1e-9}, "`std` of .* must be a number from 0 to 0.04"),
        ({"std": 0.3}, "`std` of .* from 0 to 0.04, but is 0.3"),
        ({"median": None}, "`median` of .* but is None"),
        ({"min": [1]}, "`min` of .* but is"),
        ({"count": 0}, "`count` of .* must be a whole number from 1 to 10,000,000, but is 0"),
        ({"count": -3}, "whole number"),
        ({"count": 3.5}, "whole number"),
        ({"count": 2**62}, "whole number .* but is a huge number"),
        ({"count": "9"}, "whole number"),
    ],
    ids=str,
)
def test_impossible_entries_are_refused(change: dict[str, Any], match: str, tmp_path: Path) -> None:
    data = own()
    load(tmp_path, json.dumps(data), "table.json")
    data["sections"][0]["entries"][KEYS[7]] |= change
    with pytest.raises(FormatError, match=match):
        load(tmp_path, json.dumps(data), "table.json")


@pytest.mark.parametrize(
    ("sections", "match"),
    [
        (lambda one: [one, one], r"one table per resolution, but .* several for \[224\]"),
        (lambda one: [one | {"resolutions": [224, 224]}], "different sizes"),
        (lambda one: [one | {"resolutions": [2**31]}], "from 1 to 8,192, but is 2147483648"),
        (lambda one: [one | {"entries": {}}], "has 0 of 0 that are 0"),
        (lambda one: [one | {"entries": {"a": {"mean": 1}}}], "keys of layers like .* has 'a'"),
        (
            lambda one: [
                one | {"entries": {k: v | {"mean": 0} for k, v in one["entries"].items()}}
            ],
            "has 20 of 20 that are 0",
        ),
        (
            lambda one: [one | {"entries": {**one["entries"], f"{KEYS[0]}:": {"mean": 0.001}}}],
            "must have each layer once, but .* twice",
        ),
    ],
    ids=["doubled", "repeated", "size", "empty", "key", "zeros", "colon"],
)
def test_impossible_sections_are_refused(sections: Any, match: str, tmp_path: Path) -> None:
    data = own()
    data["sections"] = sections(data["sections"][0])
    with pytest.raises(FormatError, match=match):
        load(tmp_path, json.dumps(data), "table.json")


def test_some_layers_may_take_no_time(tmp_path: Path) -> None:
    data = own()
    for key in KEYS[3:8]:
        data["sections"][0]["entries"][key] = {"mean": 0, "std": 0.5}
    assert len(load(tmp_path, json.dumps(data), "table.json")) == 20


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "layer,ms\nConv,1.0\n", r"must be a .yaml or .json table, .*from_measurements"),
        ("a.yaml", "conv1: {mean: 1.0}\n", r"one of the dialects .*'conv1'; .*from_measurements"),
        (
            "a.yaml",
            f"{BLOCK}: {{mean: 1.0}}\n",
            r"entry of the first layer.*'Conv-input:224.*add it",
        ),
        ("a.yaml", table() + f"{STEM}: {{mean: 2.0}}\n", r"has the key 'Conv-.*twice"),
        ("a.yaml", table() + f"'{STEM}:': {{mean: 2.0}}\n", r"must have each layer once"),
    ],
    ids=["csv", "no-dialect", "no-stem", "twice", "twice-with-colon"],
)
def test_messages_say_what_to_do(tmp_path: Path, name: str, text: str, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        load(tmp_path, text, name)

"""Versioned JSON files, and arrays in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa._json_format import JsonFormat, decode_array, encode_array
from optuna_ofa.exceptions import FormatError


@pytest.mark.parametrize("dtype", ["int16", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 3), (4,)], ids=str)
def test_arrays_come_back_to_the_last_bit(dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    data = json.loads(json.dumps({"a": encode_array(array)}))
    back = decode_array(data, "a", dtype, (None, *shape[1:]))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_byte_order_is_that_of_the_format() -> None:
    assert encode_array(np.array([1], dtype=">i2")) == encode_array(np.array([1], dtype="<i2"))


def test_views_are_written_in_order() -> None:
    array = np.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(
        decode_array({"a": encode_array(array)}, "a", "float64", (3, 2)), array
    )


GOOD = encode_array(np.arange(6.0).reshape(2, 3))


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (None, "`a` must be an array, but: TypeError"),
        ({}, "`a` must be an array, but: KeyError"),
        (GOOD | {"shape": 7}, "must be an array"),
        (GOOD | {"shape": ["x"]}, "must be an array"),
        (GOOD | {"base64": "?"}, "must be an array"),
        (GOOD | {"base64": 7}, "must be an array"),
        (GOOD | {"dtype": "object"}, "`a` must be float64 of shape .* but is object"),
        (GOOD | {"dtype": "int64"}, "must be float64 of shape .* but is int64"),
        (GOOD | {"shape": [3, 2]}, r"of shape \(3, 2\) with 48 bytes"),
        (GOOD | {"shape": [6]}, r"of shape \(6,\) with 48 bytes"),
        (GOOD | {"shape": [-2, 3]}, r"of shape \(-2, 3\)"),
        (GOOD | {"shape": [10**12, 3]}, r"of shape \(1000000000000, 3\) with 48 bytes"),
        (encode_array(np.full((2, 3), np.nan)), "`a` must have finite numbers only"),
    ],
    ids=str,
)
def test_other_data_is_refused(entry: Any, match: str) -> None:
    with pytest.raises(FormatError, match=match):
        decode_array({"a": entry}, "a", "float64", (None, 3))


FORMAT = JsonFormat("optuna_ofa.test", version=2, argument="folder")


def test_a_written_file_is_read(tmp_path: Path) -> None:
    FORMAT.write(tmp_path / "a.json", {"x": [1, 2]})
    assert FORMAT.read(tmp_path / "a.json") == FORMAT.wrap({"x": [1, 2]})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    FORMAT.write(tmp_path / "a.json", {"x": 1})
    for value in (float("nan"), float("-inf"), {1, 2}):
        with pytest.raises(FormatError, match=r"a\.json must hold JSON, with finite numbers only"):
            FORMAT.write(tmp_path / "a.json", {"x": value})
    assert FORMAT.read(tmp_path / "a.json")["x"] == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "`folder` must be JSON, but .*a.json is not"),
        ("[" * 100_000, "must be JSON"),
        ("[]", "`folder` must hold 'optuna_ofa.test', but .*a.json does not"),
        ("{}", "must hold 'optuna_ofa.test'"),
        ('{"format": "optuna_ofa.test"}', "version 2, but .* has version None"),
        ('{"format": "optuna_ofa.test", "version": 3}', "has version 3; another release"),
    ],
    ids=["cut", "deep", "list", "empty", "no-version", "newer"],
)
def test_other_files_are_refused(text: str, match: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError, match=match):
        FORMAT.read(tmp_path / "a.json")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`folder` must be a file, .*none\.json does not exist"):
        FORMAT.read(tmp_path / "none.json")

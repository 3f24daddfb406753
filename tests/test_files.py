"""Arrays in JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from optuna_ofa._files import decode_array, encode_array
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

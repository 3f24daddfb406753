"""What a number out of a file may be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optuna_ofa import _values as values
from optuna_ofa.exceptions import FormatError

NO_NUMBERS = ["3", "", True, False, None, [], [3], {}, math.nan, math.inf, -math.inf, 10**400]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: f"{value!r:.9}")
def test_other_things_are_no_numbers(value: Any) -> None:
    with pytest.raises(FormatError, match=r"^`a` must be a finite number, but is "):
        values.number(value, "`a`")
    with pytest.raises(FormatError, match=r"^`a` must be a whole number from 1 to 10,000,000, but"):
        values.whole(value, "`a`")
    with pytest.raises(FormatError, match=r"^`a` must be a list of finite numbers, but is"):
        values.array([1.0, value], "`a`", (None,))


@pytest.mark.parametrize(
    ("limits", "right", "wrong", "rule"),
    [
        ({"least": 0}, [0, 2.5], [-1e-9], "a finite number of at least 0"),
        ({"least": 0, "above": True}, [1e-9], [0], "a finite number above 0"),
        ({"least": 0, "most": 50}, [0, 50], [50.1, -1], "a number from 0 to 50"),
        ({"least": 0, "most": 50, "above": True}, [50], [0, 51], "a number above 0 up to 50"),
    ],
    ids=["least", "above", "range", "both"],
)
def test_numbers_have_limits(
    limits: dict[str, Any], right: list[float], wrong: list[float], rule: str
) -> None:
    assert [values.number(value, "`a`", **limits) for value in right] == right
    for value in wrong:
        with pytest.raises(FormatError, match=f"^`a` must be {rule}, but is {value:g}"):
            values.number(value, "`a`", **limits)


@pytest.mark.parametrize("value", [0, 11, 2.0, -1])
def test_whole_numbers_have_limits(value: Any) -> None:
    assert values.whole(10, "`a`", most=10) == 10
    with pytest.raises(FormatError, match=r"whole number from 1 to 10, but is"):
        values.whole(value, "`a`", most=10)


@pytest.mark.parametrize("sizes", [[], 224, "224", [0], [8193], [2**31], [1.5], [True], [2, 2]])
def test_other_sizes_of_images_are_refused(sizes: Any) -> None:
    assert values.pixels([224, 8192], "`a`") == (224, 8192)
    with pytest.raises(FormatError, match=r"^`a` must be (a list of|different) sizes|whole number"):
        values.pixels(sizes, "`a`")


@pytest.mark.parametrize(
    ("found", "shape"),
    [
        ([], (None,)),
        ([1, 2], (3,)),
        ([[1, 2]], (None,)),
        ([1, 2], (None, None)),
        ([[1, 2], [3]], (None, None)),
        ([[[1]]], (None, None)),
        ("12", (None,)),
        ({"0": 1}, (None,)),
    ],
    ids=str,
)
def test_arrays_of_another_shape_are_refused(found: Any, shape: tuple[int | None, ...]) -> None:
    with pytest.raises(FormatError, match=r"^`a` must be .* finite numbers, but is"):
        values.array(found, "`a`", shape)


def test_arrays() -> None:
    np.testing.assert_array_equal(values.array([1, 2.5], "`a`", (2,)), [1, 2.5])
    np.testing.assert_array_equal(values.array([[1], [2]], "`a`", (None, 1)), [[1], [2]])


@pytest.mark.parametrize(
    "found",
    [[[1, 2], [0, 1]], [[-1, 0], [0, 1]], [[1, 2], [2, 1]], [[1, math.inf], [math.inf, 1]]],
    ids=["not symmetric", "negative", "above its diagonal", "infinite"],
)
def test_other_matrices_are_no_covariances(found: Any) -> None:
    for good in ([[4, 1], [1, 1]], [4, 1, 1, 1], [[0, 0], [0, 0]]):
        assert values.covariance(good, "`a`", 2).shape == (2, 2)
    with pytest.raises(FormatError, match=r"^`a` must be (a covariance|2 x 2 finite)"):
        values.covariance(found, "`a`", 2)


@pytest.mark.parametrize("text", ["", "1_0", "0x10", "true", "nan", "inf", "1e999", None, "[1]"])
def test_other_texts_are_no_numbers(text: Any) -> None:
    assert values.parsed(" 7.5e1", "`a`") == 75
    with pytest.raises(FormatError, match=r"^`a` must be a finite number, but is"):
        values.parsed(text, "`a`")


def test_units_are_converted() -> None:
    assert [values.milliseconds(unit, "`unit`") for unit in ("s", "ms", "us", "ns")] == [
        1000,
        1,
        0.001,
        1e-6,
    ]


@pytest.mark.parametrize("unit", ["", "MS", "sec", None, 1, ["ms"]])
def test_other_units_are_refused(unit: Any) -> None:
    with pytest.raises(FormatError, match=r"`unit` must be one of s, ms, us, .*, but is"):
        values.milliseconds(unit, "`unit`")


def test_values_of_a_metric() -> None:
    assert values.of_metric("top1", 75, "`a`") == 75
    with pytest.raises(FormatError, match=r"must be in percent, from 0 to 100, but is top1 7500"):
        values.of_metric("top1", 7500, "`a`")
    with pytest.raises(FormatError, match=r"positive, at most 600,000, but is latency_ms 5"):
        values.of_metric("latency_ms", 5_029_656, "`a`")


@pytest.mark.parametrize(
    ("found", "index"),
    [
        ([1.0] * 7 + [1e9], 7),
        ([1.0] * 6 + [1e9], None),  # too few
        ([1.0] * 7 + [299], None),
        ([301, *[1.0] * 7], 0),
        ([1.0] * 8 + [0, 0.99e-4], 9),
        ([1.0] * 8 + [0, 1.01e-4], None),
        ([0] * 9 + [1.0], None),
    ],
    ids=["huge", "few", "high", "too high", "too low", "low", "zeros"],
)
def test_values_far_from_the_median_are_found(found: list[float], index: int | None) -> None:
    assert values.first_unlike(found) == index

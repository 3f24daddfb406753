"""What a measured value can be."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa._plausible import (
    PERCENT,
    numbers,
    plausible,
    require_plausible,
    require_std,
    warn_fractions,
)
from optuna_ofa.exceptions import ImplausibleValueWarning, InvalidArgumentError
from optuna_ofa.problem import METRICS


@pytest.mark.parametrize("metric", METRICS)
def test_percentages_are_those_metrics_whose_unit_it_is(metric: str) -> None:
    assert (metric in PERCENT) == (METRICS[metric].unit == "%")


def test_accuracies_are_from_0_to_100() -> None:
    values = [-0.1, 0, 0.76, 100, 100.1, np.nan, np.inf]
    assert plausible("top1", values).tolist() == [False, True, True, True, False, True, False]


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "top1"])
def test_costs_are_positive(metric: str) -> None:
    values = [-3, 0, 1e-9, 1e5, 2e15, np.nan, np.inf]
    assert plausible(metric, values).tolist() == [False, False, True, True, False, True, False]


def test_metrics_of_the_users_own_are_finite() -> None:
    values = [-3, 0, 1e12, np.nan, np.inf]
    assert plausible("energy_mj", values).tolist() == [True, True, True, True, False]
    with pytest.raises(InvalidArgumentError, match="`a` must be finite, but got energy_mj inf"):
        require_plausible("energy_mj", [np.inf], "`a`")


def test_the_first_wrong_value_is_named() -> None:
    with pytest.raises(
        InvalidArgumentError,
        match=r"^`a` must be positive, at most 600,000, but got latency_ms -3 \(2 of 4\)\.$",
    ):
        require_plausible("latency_ms", [1, -3, np.nan, 0], "`a`")


def test_standard_deviations_are_not_negative() -> None:
    require_std([0, 1.5, np.nan], "`a`")
    with pytest.raises(InvalidArgumentError, match=r"`a` must have a standard .* but got -1"):
        require_std([1, -1], "`a`")


@pytest.mark.parametrize("values", [0.76, [0.2, 1.0, np.nan]])
def test_fractions_are_warned_of(values: Any) -> None:
    with pytest.warns(ImplausibleValueWarning, match=r"`a` is probably a fraction: .* by 100") as w:
        warn_fractions("top1", values, "`a`")
    assert w[0].filename == __file__


@pytest.mark.parametrize(
    ("metric", "values"), [("top1", [0.5, 70]), ("top1", []), ("top1", [0]), ("latency_ms", [0.5])]
)
def test_other_values_are_not(metric: str, values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_fractions(metric, values, "`a`")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (3, [3]),
        ([1, None, np.float32(2)], [1, np.nan, 2]),
        (np.array([1, 2], dtype=np.int16), [1, 2]),
        (torch.tensor([1.0, 2.0]), [1, 2]),
        ((torch.tensor(1.0), Fraction(1, 2)), [1, 0.5]),
        ((x for x in (1, 2)), [1, 2]),
        (None, [np.nan]),
    ],
    ids=["number", "list", "array", "tensor", "items", "generator", "None"],
)
def test_numbers(items: Any, expected: list[float]) -> None:
    np.testing.assert_array_equal(numbers(items, "`a`"), expected)


@pytest.mark.parametrize(
    "items",
    [
        True,
        "75",
        b"7",
        [1, True],
        [np.True_],
        ["1"],
        np.array([True]),
        1j,
        [[1]],
        {}.keys,
        [10**400],
    ],
    ids=lambda items: type(items).__name__,
)
def test_other_things_are_no_numbers(items: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`a` must be numbers, but got"):
        numbers(items, "`a`")

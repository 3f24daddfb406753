"""The plausible range of each measured metric, in one place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import ImplausibleValueWarning, InvalidArgumentError

PERCENT = frozenset({"top1", "top5"})
# the largest value of each cost, which is above 0; a custom metric may be any finite number
MOST = {
    "latency_ms": 600_000,
    "n_macs": 10**15,
    "n_params": 10**12,
    "moved_mb": 10**9,
    "peak_memory_mb": 10**9,
    "sram_kb": 10**12,
    "flash_kb": 10**12,
}
MAX_LAYER_MS = 60_000
# predicted percentages, because models extrapolate
LEAST_PERCENT, MOST_PERCENT = -50, 150
# warnings point at the line that called one of these


def rule_of(metric: str) -> str:
    """Return the range of a metric in words."""
    if metric in PERCENT:
        return "in percent, from 0 to 100"
    return f"positive, at most {MOST[metric]:,}" if metric in MOST else "finite"


def plausible(metric: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Return which values are possible for a metric; NaN, a missing value, is."""
    array = np.asarray(values, dtype=float)
    inside = np.isfinite(array)
    if metric in PERCENT:
        inside &= (array >= 0) & (array <= 100)
    elif metric in MOST:
        inside &= (array > 0) & (array <= MOST[metric])
    return np.asarray(inside | np.isnan(array))


def possible_range(metric: str) -> tuple[float, float]:
    """Return the range of predictions of a metric: above the first number, up to the second."""
    if metric in PERCENT:
        return LEAST_PERCENT, MOST_PERCENT
    return (0, MOST[metric]) if metric in MOST else (-np.inf, np.finfo(float).max)


def possible(metric: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Return which predictions of a metric are finite and within `possible_range`."""
    array = np.asarray(values, dtype=float)
    low, high = possible_range(metric)
    return np.asarray((array > low) & (array <= high))


def require_plausible(metric: str, values: ArrayLike, where: str) -> None:
    """Refuse values that a metric cannot have.

    Args:
        metric: Name of the metric.
        values: A number or an array of them; NaN passes.
        where: The argument in backticks, and the part of it.

    Raises:
        InvalidArgumentError: With the first such value.
    """
    array = np.atleast_1d(np.asarray(values, dtype=float))
    wrong = array[~plausible(metric, array)]
    if len(wrong):
        count = f" ({len(wrong)} of {len(array)})" if len(array) > 1 else ""
        raise InvalidArgumentError(
            f"{where} must be {rule_of(metric)}, but got {metric} {wrong[0]:g}{count}."
        )


def require_std(values: ArrayLike, where: str) -> None:
    """Refuse standard deviations that are negative or infinite; NaN (unknown) passes.

    Raises:
        InvalidArgumentError: With the first such value.
    """
    array = np.atleast_1d(np.asarray(values, dtype=float))
    wrong = array[(array < 0) | np.isinf(array)]
    if len(wrong):
        raise InvalidArgumentError(
            f"{where} must have a standard deviation that is 0 or positive, but got {wrong[0]:g}."
        )


def measured_number(metric: str, given: Any, where: str) -> tuple[float, float]:
    """Return what was measured, and its standard deviation; NaN where there is none.

    Args:
        metric: Name of the metric.
        given: A number, or that and its standard deviation, or None.
        where: What gave it.

    Raises:
        InvalidArgumentError: If it is something else, or the metric cannot have that value.
    """
    pair = numbers(given, where)
    if pair.shape not in ((1,), (2,)) or np.isinf(pair).any():
        raise InvalidArgumentError(
            f"{where} must be a finite number, or that and its standard deviation, or None, but "
            f"got {given!r:.200}."
        )
    require_plausible(metric, pair[0], where)
    require_std(pair[1:], where)
    return float(pair[0]), float(pair[1]) if len(pair) > 1 else np.nan


def warn_fractions(metric: str, values: ArrayLike, where: str) -> None:
    """Warn if percentages are probably fractions: none is above 1, and at least one is above 0.

    Args:
        metric: Name of the metric.
        values: A number or an array of them.
        where: The argument in backticks, and the part of it.

    Warns:
        ImplausibleValueWarning: With the largest value.
    """
    array = np.atleast_1d(np.asarray(values, dtype=float))
    known = array[np.isfinite(array)]
    if metric in PERCENT and len(known) and 0 < known.max() <= 1:
        warn(
            f"{where} is probably a fraction: {metric} is in percent, from 0 to 100, but none is "
            f"above {known.max():g}; multiply by 100.",
            ImplausibleValueWarning,
        )


def numbers(items: Any, where: str) -> NDArray[np.float64]:
    """Return numbers as a one-dimensional array; None becomes NaN.

    Args:
        items: A number, or an iterable of them.
        where: The argument in backticks.

    Raises:
        InvalidArgumentError: If one is something else, such as a boolean or text.
    """
    if hasattr(items, "tolist"):  # arrays, tensors, series
        items = items.tolist()
    one_by_one = items if _is_iterable(items) else [items]
    try:
        return np.array([_number(item) for item in one_by_one], dtype=float)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgumentError(f"{where} must be numbers, but got {items!r:.200}.") from error


def _is_iterable(items: Any) -> bool:
    return isinstance(items, Iterable) and not isinstance(items, str | bytes)


def _number(item: Any) -> float:
    if item is None:
        return float("nan")
    if isinstance(item, bool | np.bool_ | str | bytes):
        raise TypeError
    return float(item)

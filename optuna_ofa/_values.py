"""What a number out of a file may be: checked here before anything is computed from it."""

from __future__ import annotations

import itertools
import math
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._plausible import plausible, rule_of
from optuna_ofa.exceptions import FormatError

MAX_PIXELS = 8192  # of an image along a side
MAX_COUNT = 10**7  # of runs, rounds, images
# the range of one quantity in a file, relative to its median; ten published and measured tables of
# layers need a hundredth to 21, in milliseconds for each number in and out
_ALIKE = (1e-4, 300.0)
_LEAST_TO_COMPARE = 8
_INEXACT = 1e-2  # inverses of nearly singular matrices are
_UNITS_MS = {"s": 1e3, "ms": 1.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3, "ns": 1e-6}


def number(
    value: Any, where: str, *, least: float = -math.inf, most: float = math.inf, above: bool = False
) -> float:
    """Return a finite number; text, booleans and null are none.

    Args:
        value: The value in the file.
        where: Begins the message: "`mean` of a layer in table.yaml".
        least: Smallest number.
        most: Largest number.
        above: Whether it has to be above ``least``.

    Raises:
        FormatError: If it is something else, or out of range.
    """
    right = type(value) in (int, float) and least <= value <= most and abs(value) < math.inf
    try:
        found = float(value) if right else math.nan
    except OverflowError:  # an integer of hundreds of digits
        found = math.nan
    if not math.isfinite(found) or (above and found <= least):
        raise FormatError(f"{where} must be {_range(least, most, above)}, but is {_short(value)}.")
    return found


def whole(value: Any, where: str, *, least: int = 1, most: int = MAX_COUNT) -> int:
    """Return a whole number, written without a decimal point.

    Raises:
        FormatError: If it is something else, or out of range.
    """
    if type(value) is not int or not least <= value <= most:
        rule = f"a whole number from {least} to {most:,}"
        raise FormatError(f"{where} must be {rule}, but is {_short(value)}.")
    return value


def pixels(values: Any, where: str) -> tuple[int, ...]:
    """Return different sizes of images in pixels.

    Raises:
        FormatError: If there is none, one is no size, or one occurs twice.
    """
    if not isinstance(values, list) or not values or len(values) > MAX_PIXELS:
        raise FormatError(f"{where} must be a list of sizes in pixels, but is {_short(values)}.")
    sizes = tuple(whole(value, where, most=MAX_PIXELS) for value in values)
    if len(set(sizes)) < len(sizes):
        raise FormatError(f"{where} must be different sizes, but is {_short(values)}.")
    return sizes


def array(values: Any, where: str, shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Return nested lists of finite numbers as an array.

    Args:
        values: The lists in the file.
        where: Begins the message.
        shape: The shape that they must have, one or two lengths; None means any but 0.

    Raises:
        FormatError: If they are something else.
    """
    rows = [values] if len(shape) == 1 else values
    fits = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if fits and set(map(type, itertools.chain.from_iterable(rows))) <= {int, float}:
        try:
            found = np.array(values)
        except (ValueError, OverflowError):  # of different lengths
            found = np.empty(0, dtype=object)
        same = len(found.shape) == len(shape) and 0 not in found.shape
        same = same and all(m in (None, n) for n, m in zip(found.shape, shape, strict=True))
        if same and found.dtype.kind in "iuf" and np.isfinite(found).all():
            return found.astype(np.float64)
    if None in shape:
        rule = "lists of one length, of" if len(shape) > 1 else "a list of"
    else:
        rule = " x ".join(map(str, shape))
    raise FormatError(f"{where} must be {rule} finite numbers, but is {_short(values)}.")


def covariance(values: Any, where: str, n: int) -> NDArray[np.float64]:
    """Return lists, or one list, of the ``n`` x ``n`` numbers of a covariance matrix.

    Raises:
        FormatError: If they are something else, such as of a matrix that is not symmetric.
    """
    flat = isinstance(values, list) and len(values) == n * n and n > 1
    found = array(values, where, (n * n,) if flat else (n, n)).reshape(n, n)
    diagonal = np.diag(found)
    with np.errstate(invalid="ignore", over="ignore"):
        most = np.sqrt(np.maximum(np.outer(diagonal, diagonal), 0)) * (1 + _INEXACT)
        wrong = np.abs(found - found.T) > _INEXACT * most
    if wrong.any() or (diagonal < 0).any() or (np.abs(found) > most).any():
        raise FormatError(f"{where} must be a covariance matrix, but {n} x {n} numbers are none.")
    return found


def of_metric(metric: str, value: Any, where: str) -> float:
    """Return a value of a metric, in its unit.

    Raises:
        FormatError: If it is no number, or one that the metric cannot have.
    """
    found = number(value, where)
    if not plausible(metric, found):
        raise FormatError(f"{where} must be {rule_of(metric)}, but is {metric} {found:g}.")
    return found


def parsed(text: Any, where: str) -> float:
    """Return the finite number that a text, such as a field of a CSV file, stands for.

    Raises:
        FormatError: If it stands for none.
    """
    try:
        found = float(text) if "_" not in text else math.nan
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise FormatError(f"{where} must be a finite number, but is {_short(text)}.")
    return found


def milliseconds(unit: Any, where: str) -> float:
    """Return how many milliseconds a unit of time has.

    Raises:
        FormatError: If it is unknown.
    """
    if not isinstance(unit, str) or unit not in _UNITS_MS:
        known = ", ".join(_UNITS_MS)
        raise FormatError(f"{where} must be one of {known}, but is {_short(unit)}.")
    return _UNITS_MS[unit]


def first_unlike(values: Iterable[float]) -> int | None:
    """Return the index of the first value far from the median, if there is one.

    Zeros, which stand for nothing measured, and fewer than eight values are not judged.
    """
    every = np.array(list(values), dtype=float)
    known = every[every > 0]
    if len(known) < _LEAST_TO_COMPARE:
        return None
    low, high = np.array(_ALIKE) * np.median(known)
    unlike = np.flatnonzero((every != 0) & ((every < low) | (every > high)))
    return int(unlike[0]) if len(unlike) else None


def _range(least: float, most: float, above: bool) -> str:
    if most < math.inf:
        return f"a number {'above' if above else 'from'} {least:g} {'up ' * above}to {most:,g}"
    if least > -math.inf:
        return f"a finite number {'above' if above else 'of at least'} {least:g}"
    return "a finite number"


def _short(value: Any) -> str:
    """Return a representation of bounded length; `repr` fails for huge integers."""
    if type(value) is int and abs(value) > 10**18:
        return "a huge number"
    return reprlib.repr(value)

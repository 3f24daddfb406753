"""Formatted numbers: only meaningful digits, but enough to distinguish those of a column."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_USUAL = 4  # significant digits of the largest number of a column
_LEAST = 2  # of the smallest one
_MOST = 6  # of the largest one, to distinguish numbers
_SCALES = ((1e6, "M"), (1e3, "k"))


def significant(value: float, n: int = 3, *, sign: str = "") -> str:
    """Return a number with ``n`` significant digits and no exponent: ``0.00123``, ``1,230``.

    Args:
        value: The number.
        n: How many digits.
        sign: ``"+"`` marks non-negative numbers.
    """
    if not math.isfinite(value):
        return f"{value:{sign}}"
    return f"{value:{sign},.{max(n - 1 - _exponent(value), 0)}f}"


def decimals(
    values: Iterable[float],
    std: Iterable[float] = (),
    *,
    usual: int | None = None,
    apart: bool = True,
) -> int:
    """Return the number of decimals that the numbers of one column need.

    The largest gets four significant digits, the smallest two, a standard deviation one; numbers
    that differ get more, up to six digits of the largest.

    Args:
        values: The numbers; those that are not finite are ignored.
        std: Their standard deviations, of those that have one.
        usual: Usual number of decimals, instead of the number that follows from significant digits.
        apart: Whether numbers that differ get more decimals until they differ in print.
    """
    known = [abs(value) for value in values if math.isfinite(value)]
    sizes = [_exponent(value) for value in known if value > 0]
    if not sizes:
        return usual or 0
    most = max(_MOST - 1 - max(sizes), usual or 0, 0)
    spreads = [-_exponent(one) for one in std if math.isfinite(one) and one > 0]
    digits = (_USUAL - 1 - max(sizes), _LEAST - 1 - min(sizes)) if usual is None else (usual,)
    n = min(max(*digits, *spreads, 0), most)
    if not apart:
        return n
    n_different = len({round(value, most) for value in known})
    while n < most and len({round(value, n) for value in known}) < n_different:
        n += 1
    return n


def scaled(values: Sequence[float]) -> list[str]:
    """Return counts of one column in thousands or millions: ``3.41 M``, ``0.12 M``."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    factor, suffix = next((s for s in _SCALES if largest >= s[0]), (1.0, ""))
    shown = [value / factor for value in values]
    n = decimals(shown) if suffix else 0
    return [f"{value:,.{n}f} {suffix}".rstrip() for value in shown]


def _exponent(value: float) -> int:
    """Return the power of ten of the first digit after rounding; 0 for zero."""
    return int(f"{abs(value):.{_USUAL - 1}e}".partition("e")[2]) if value else 0

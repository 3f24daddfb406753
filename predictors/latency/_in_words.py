"""What explains the latency of a device, in words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# prices below this share of the highest explain nothing
_LEAST = 1e-4


def prices_in_words(constant: float, prices: Iterable[tuple[float, str]]) -> str:
    """Return prices as ``"2.1 ms constant, 0.31 ms a block"``; about 0 is left out.

    Args:
        constant: Milliseconds of every network.
        prices: Milliseconds, and what they are for: ``(0.31, "a block")``.
    """
    every = [(constant, "constant"), *prices]
    least = _LEAST * max(ms for ms, _ in every)
    return ", ".join(f"{_short(ms)} ms {what}" for ms, what in every if ms > least)


def _short(ms: float) -> str:
    """Return a number with three significant digits and no exponent."""
    return np.format_float_positional(ms, precision=3, fractional=False, trim="-")

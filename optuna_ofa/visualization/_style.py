"""The style of all pictures: their colours and symbols, and the parts that they share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

# Colours that colour-blind readers can tell apart, after Okabe and Ito.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
GREY = "#BBBBBB"
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
# As in the ProxylessNAS paper: red, orange and blue. The blue is darker than Okabe and Ito's, so
# that the three differ in lightness as well.
_KERNELS = {3: "#005085", 5: "#E69F00", 7: "#D55E00"}
# Its top is fixed: one of several lines would grow over the title of the axis otherwise.
BELOW = {"orientation": "h", "y": -0.18, "yanchor": "top"}


def colour(i: int) -> str:
    """Return the colour of one of several things."""
    return PALETTE[i % len(PALETTE)]


def symbol(i: int) -> str:
    """Return the symbol of one of several things."""
    return _SYMBOLS[i % len(_SYMBOLS)]


def kernel_colour(kernel: int) -> str:
    """Return the colour of a block with this kernel size."""
    return _KERNELS.get(kernel, "#CC79A7")


def shades(n: int) -> list[str]:
    """Return several colours in an order, from light to dark."""
    scale = ("#F4E38A", "#A6CF8A", "#4AA08C", "#1F6C8C", "#2B2F5E")
    return [scale[round(i * (len(scale) - 1) / max(n - 1, 1))] for i in range(n)]


def hovering(words: Sequence[str] | None) -> dict[str, object]:
    """Return the arguments of a trace whose points show these words, or nothing at all."""
    if words is None:
        return {"hoverinfo": "skip"}
    return {"hovertext": words, "hoverinfo": "text"}


def error_bars(std: NDArray[np.float64], **style: object) -> dict[str, object] | None:
    """Return error bars of these lengths, NaN for none; None if there is none at all."""
    if not np.isfinite(std).any():
        return None
    return {"type": "data", "array": std, "thickness": 1, "width": 3, **style}


def value_range(
    values: NDArray[np.float64], std: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return the range of an axis whose error bars are so long that they would press it together.

    Args:
        values: ``(n,)`` values.
        std: ``(n,)`` lengths of their bars, NaN for none.

    Returns:
        The range of the values with half as much again on both sides; None where the bars widen
        the axis to twice the range of the values at most, and it may be as it comes.
    """
    known = np.isfinite(values)
    if not known.any():
        return None
    values, std = values[known], np.nan_to_num(std[known])
    low, high = float(values.min()), float(values.max())
    span = high - low or abs(high) or 1.0
    if (values + std).max() - (values - std).min() <= 2 * span:
        return None
    return low - span / 2, high + span / 2


def wrapped(text: str, width: int = 110) -> str:
    """Return a note in lines that a drawing has room for."""
    return "<br>".join(textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False))


def finish(figure: go.Figure, title: str, *notes: str, **layout: Any) -> go.Figure:
    """Give a figure its title, smaller lines below it, and the rest of its layout."""
    lines = [title, *(f"<sup>{note}</sup>" for note in notes)]
    return figure.update_layout(title="<br>".join(lines), template="plotly_white", **layout)

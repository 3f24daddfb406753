"""The style of all figures: their colours and symbols, and the parts that they share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

# Colours that colour-blind readers can tell apart (Okabe and Ito).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
GREY = "#BBBBBB"
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
# As in the ProxylessNAS paper: red, orange and blue. The blue is darker than Okabe and Ito's, so
# that the three differ in lightness as well.
_KERNELS = {3: "#005085", 5: "#E69F00", 7: "#D55E00"}
# At the bottom of the whole figure: the distance from the axis would change with the height.
BELOW = {"orientation": "h", "yref": "container", "y": 0.01, "yanchor": "bottom", "x": 0}


def colour(i: int) -> str:
    """Return the colour of item ``i``."""
    return PALETTE[i % len(PALETTE)]


def symbol(i: int) -> str:
    """Return the symbol of item ``i``."""
    return _SYMBOLS[i % len(_SYMBOLS)]


def kernel_colour(kernel: int) -> str:
    """Return the colour of a block with this kernel size."""
    return _KERNELS.get(kernel, "#CC79A7")


def shades(n: int) -> list[str]:
    """Return ``n`` colours from light to dark."""
    scale = ("#F4E38A", "#A6CF8A", "#4AA08C", "#1F6C8C", "#2B2F5E")
    return [scale[round(i * (len(scale) - 1) / max(n - 1, 1))] for i in range(n)]


def hovering(words: Sequence[str] | None) -> dict[str, object]:
    """Return the arguments of a trace whose points show these texts on hovering, or nothing."""
    if words is None:
        return {"hoverinfo": "skip"}
    return {"hovertext": words, "hoverinfo": "text"}


def error_bars(std: NDArray[np.float64], **style: object) -> dict[str, object] | None:
    """Return error bars of these lengths, NaN for no bar; None if there are none."""
    if not np.isfinite(std).any():
        return None
    return {"type": "data", "array": std, "thickness": 1, "width": 3, **style}


def value_range(
    values: NDArray[np.float64], std: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Return the range of an axis whose long error bars would otherwise compress its values.

    Args:
        values: ``(n,)`` values.
        std: ``(n,)`` lengths of their bars, NaN for none.

    Returns:
        The range of the values, extended by half of it on both sides; None if the bars widen the
        axis to at most twice the range of the values, so that no range has to be set.
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


def keep_long_bars_out(figure: go.Figure) -> None:
    """Scale the axes of a plot to its points if an error bar is far longer."""
    for axis, update in (("x", figure.update_xaxes), ("y", figure.update_yaxes)):
        values, lengths = [], []
        for trace in figure.data:
            points = np.asarray(trace[axis], dtype=float)
            std = trace[f"error_{axis}"].array
            values.append(points)
            lengths.append(np.full_like(points, np.nan) if std is None else np.asarray(std, float))
        kept = value_range(np.concatenate(values), np.concatenate(lengths))
        if kept is not None:
            update(range=kept)


def finish(figure: go.Figure, title: str, *notes: str, **layout: Any) -> go.Figure:
    """Give a figure its title, smaller lines below it, and the rest of its layout.

    Lines are wrapped to fit a figure 560 pixels wide, and the plot begins below them; a legend
    `BELOW` is at the bottom, under the title of the axis.

    Args:
        figure: The figure.
        title: Its title.
        notes: Texts below the title, one or more lines each; empty ones are left out.
        layout: Other arguments of the layout.
    """
    head = _broken(title, _TITLE_WIDTH)
    small = [line for note in notes if note for line in _broken(note, _NOTE_WIDTH)]
    lines = [*head, *(f"<sup>{line}</sup>" for line in small)]
    margin = {"t": 50 + _LINE * (len(lines) - 1), "r": 30, **layout.pop("margin", {})}
    if layout.get("legend") == BELOW:
        margin = {"b": 10, **margin}  # plotly makes room for the axis and the legend by itself
    return figure.update_layout(
        title={
            "text": "<br>".join(lines),
            "font": {"size": 16},
            "x": 0.02,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "yref": "container",
            "pad": {"t": 24},
        },
        template="plotly_white",
        meta={"title": title, "notes": [note for note in notes if note]},  # as one line each
        margin=margin,
        **layout,
    )


_TITLE_WIDTH, _NOTE_WIDTH = 64, 98  # characters
_LINE = 21  # pixels from one line of the title to the next


def _broken(text: str, width: int) -> list[str]:
    """Return the lines of a text, with long ones wrapped."""
    parts = (textwrap.wrap(part, width, break_on_hyphens=False) for part in text.split("<br>"))
    return [line for lines in parts for line in lines]

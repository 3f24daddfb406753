"""The values of a plain table along a front, as a heat map."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.space import Configuration, Gene

Shares = Mapping[str, Mapping[Any, NDArray[np.float64]]]
INACTIVE = "inactive"
_ROW = 17  # height of a row, in pixels
_MOST_ROWS = 120  # a figure with more cannot be read
_LONGEST = 24  # characters of a name


def shares_of(genes: Sequence[Gene], bins: Sequence[Sequence[Configuration]]) -> dict[str, Any]:
    """Return the share of each value in percent, by parameter and value, ``(n_bins,)``.

    A conditional parameter has a row of the configurations where it is inactive. Parameters of one
    value are left out.
    """
    return {
        gene.name: {
            value: np.array(
                [100 * np.mean([one.get(gene.name) == value for one in of]) for of in bins]
            )
            for value in [*map(gene.value, gene.choices), *([None] if gene.is_conditional else [])]
        }
        for gene in genes
        if len(gene.choices) > 1
    }


def choices_map(shares: Shares, costs: Sequence[str]) -> go.Figure:
    """Return a row for each value of each parameter and a column for each bin.

    Args:
        shares: Of `shares_of`.
        costs: The mean cost in each bin, as text.
    """
    rows = [(name, value, of) for name, values in shares.items() for value, of in values.items()]
    kept = rows[:_MOST_ROWS]
    texts = [f"{_short(name)} = {INACTIVE if v is None else _short(v)}" for name, v, _ in kept]
    hover = [
        [f"{text}: {share:.0f} %<br>around {cost}" for share, cost in zip(of, costs, strict=True)]
        for text, (_, _, of) in zip(texts, kept, strict=True)
    ]
    heat_map = go.Heatmap(
        z=[of for *_, of in kept],
        y=list(range(len(kept))),
        zmin=0,
        zmax=100,
        colorscale=[[0, "#FFFFFF"], [1, "#005085"]],
        xgap=1,
        ygap=1,
        hovertext=hover,
        hoverinfo="text",
        colorbar={
            "title": {"text": "Share (%)"},
            "lenmode": "pixels",
            "len": 180,
            "y": 1,
            "yanchor": "top",
        },
    )
    figure = go.Figure(heat_map)
    figure.update_yaxes(
        tickvals=list(range(len(kept))), ticktext=texts, autorange="reversed", showgrid=False
    )
    for i, (one, other) in enumerate(pairwise(kept)):
        if one[0] != other[0]:  # between two parameters
            figure.add_hline(i + 0.5, line={"color": "#888888", "width": 1})
    shown = np.unique(np.linspace(0, len(costs) - 1, min(len(costs), 5)).round().astype(int))
    figure.update_xaxes(tickvals=shown.tolist(), ticktext=[costs[i] for i in shown], showgrid=False)
    return figure.update_layout(height=200 + _ROW * len(kept))


def left_out(shares: Shares) -> str:
    """Return how many values are not drawn, in words; empty if all are."""
    n = sum(map(len, shares.values())) - _MOST_ROWS
    return f"{n:,} more values are not drawn" if n > 0 else ""


def _short(value: object) -> str:
    text = str(value)
    return html.escape(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…", quote=False)

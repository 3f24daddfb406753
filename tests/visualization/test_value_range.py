"""Axes that long error bars would press together."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from optuna_ofa.visualization._style import keep_long_bars_out, value_range

VALUES = np.array([2.0, 4.0, 6.0])


@pytest.mark.parametrize(
    ("std", "expected"),
    [
        ([0.1, 0.1, 0.1], None),
        ([np.nan, np.nan, np.nan], None),
        ([0.1, 50.0, 0.1], (0.0, 8.0)),
        ([np.nan, 50.0, 0.1], (0.0, 8.0)),
    ],
    ids=["short", "none", "long", "some"],
)
def test_the_range_is_that_of_the_values(
    std: list[float], expected: tuple[float, float] | None
) -> None:
    assert value_range(VALUES, np.array(std)) == expected


def test_one_value_has_room_of_its_own_size() -> None:
    assert value_range(np.array([2.0]), np.array([0.2])) is None
    assert value_range(np.array([2.0]), np.array([50.0])) == (1.0, 3.0)
    assert value_range(np.array([np.nan]), np.array([1.0])) is None


@pytest.mark.parametrize("length", [0.5, 100.0], ids=["short", "long"])
def test_long_bars_leave_the_axes_of_a_drawing(length: float) -> None:
    bars = {"array": np.array([0.1, length, np.nan])}
    figure = go.Figure(
        [
            go.Scatter(x=VALUES, y=VALUES[::-1], error_x=bars),
            go.Scatter(x=[3.0, None, 8.0], y=[3.0, None, 4.0]),
        ]
    )
    keep_long_bars_out(figure)
    assert figure.layout.xaxis.range == (None if length < 1 else (-1.0, 11.0))
    assert figure.layout.yaxis.range is None

"""What all figures share: lines of titles that fit a tile, and legends below."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from optuna_ofa.visualization._style import BELOW, finish


def test_long_lines_are_broken_and_words_are_kept() -> None:
    text = finish(go.Figure(), "a title " * 20, "k5e6 | " * 40, "").layout.title.text
    lines = [line.removeprefix("<sup>").removesuffix("</sup>") for line in text.split("<br>")]
    assert max(map(len, lines)) <= 98
    assert " ".join(lines).split() == ("a title " * 20 + "k5e6 | " * 40).split()


@pytest.mark.parametrize("n", [0, 3])
def test_the_drawing_begins_below_the_title(n: int) -> None:
    layout = finish(go.Figure(), "a", *["b"] * n).layout
    assert layout.margin.t == 50 + 21 * n


@pytest.mark.parametrize(("n", "rows"), [(1, 0), (2, 1), (6, 3)])
def test_the_margin_has_room_for_the_rows_of_the_legend(n: int, rows: int) -> None:
    figure = go.Figure([go.Scatter(name="other subnets (predicted)")] * n)
    assert finish(figure, "a", legend=BELOW).layout.margin.b == 50 + 19 * rows

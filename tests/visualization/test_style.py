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


def test_plotly_makes_the_room_below_for_a_legend() -> None:
    figure = go.Figure([go.Scatter(name="other subnets (predicted)")] * 6)
    assert finish(figure, "a", legend=BELOW).layout.margin.b == 10  # so no gap where it is wide
    assert finish(figure, "a", legend=BELOW, margin={"b": 150}).layout.margin.b == 150

"""The heat map of what subnets lose on other devices."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
import plotly.graph_objects as go
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.fronts import TransferMatrix
from optuna_ofa.visualization import plot_transfer


@pytest.fixture
def matrix() -> TransferMatrix:
    subnet = SearchSpace("ofa_mbv3_w1.0").smallest()
    return TransferMatrix(
        ("phone", "laptop"),
        np.array([30.0, 12.345]),
        (subnet, subnet),
        np.array([76.5, 77.25]),
        np.array([[29.5, 14.0], [41.25, 12.3]]),
        np.array([[0.0, 0.6], [0.1, 0.0]]),
    )


def test_every_cell_has_loss_and_latency_where_it_belongs(matrix: TransferMatrix) -> None:
    figure = plot_transfer(matrix)
    (heatmap,) = figure.data
    assert isinstance(heatmap, go.Heatmap)
    np.testing.assert_array_equal(np.array(heatmap.z), matrix.loss)
    assert heatmap.x == ("phone", "laptop")
    assert {(a.y, a.x): a.text for a in figure.layout.annotations} == {
        (0, "phone"): "<b>+0.00 points</b><br>29.50 ms",
        (0, "laptop"): "<b>-0.60 points</b><br>14.00 ms",
        (1, "phone"): "<b>-0.10 points</b><br>41.25 ms",
        (1, "laptop"): "<b>+0.00 points</b><br>12.30 ms",
    }
    assert figure.layout.yaxis.ticktext[1] == "<b>laptop</b><br>12.35 ms, 77.25 %"
    assert figure.layout.yaxis.autorange == "reversed"  # the first row is on top


def test_texts_can_be_read_on_their_colour(matrix: TransferMatrix) -> None:
    colours = {a.text[3:8]: a.font.color for a in plot_transfer(matrix).layout.annotations}
    assert colours == {"+0.00": "black", "-0.60": "white", "-0.10": "black"}


def test_without_any_loss_it_is_light(matrix: TransferMatrix) -> None:
    same = TransferMatrix(**{**vars(matrix), "loss": np.zeros((2, 2))})
    figure = plot_transfer(same)
    (heatmap,) = figure.data
    assert heatmap.zmax > 0
    assert {a.font.color for a in figure.layout.annotations} == {"black"}


def test_title_has_family_devices_and_date(matrix: TransferMatrix) -> None:
    facts = ({"runtime": "torch 2", "processor": "A"}, {})
    finished = datetime.datetime(2026, 11, 29)
    figure = plot_transfer(dataclasses.replace(matrix, facts=facts, finished=finished))
    assert figure.layout.meta["title"].startswith("ofa_mbv3_w1.0: ")
    assert list(figure.layout.meta["notes"]) == ["phone: A, torch 2", "29 November 2026"]
    assert plot_transfer(matrix).layout.meta["notes"] == []

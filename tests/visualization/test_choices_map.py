"""The values of a plain table along a front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_ofa import FrontPoint, Metric, SearchSpace
from optuna_ofa.fronts import Front
from optuna_ofa.visualization import plot_choices
from optuna_ofa.visualization._choices import choices_info

SPACE = SearchSpace.of_choices(
    {"op": ["<b>", "pool"], "kernel": [3, 5], "one": [1]},
    name="toy",
    active={"kernel": ("op", ["<b>"])},
)
PRICE = Metric("price", direction="minimize")
ROWS: list[dict[str, Any]] = [
    {"op": "pool"},
    {"op": "<b>", "kernel": 3},
    {"op": "<b>", "kernel": 5},
    {"op": "<b>", "kernel": 5},
]


@pytest.fixture
def front() -> Front:
    """Four configurations by their price."""
    metrics = [PRICE, Metric("gain", direction="maximize")]
    subnets = SPACE.from_matrix(SPACE.from_params([{**row, "one": 1} for row in ROWS]))
    return Front(
        [
            FrontPoint(
                one,
                {"price": float(i), "gain": float(i)},
                {},
                "measured",
                i,
                metrics={of.name: of for of in metrics},
            )
            for i, one in enumerate(subnets)
        ],
        metrics,
    )


def test_shares_count_inactive_parameters_and_leave_out_single_values(front: Front) -> None:
    info = choices_info(front, n_bins=2)
    assert {name: list(of) for name, of in info.shares.items()} == {
        "op": ["<b>", "pool"],
        "kernel": [3, 5, None],
    }
    np.testing.assert_array_equal(info.shares["op"]["<b>"], [50, 100])
    np.testing.assert_array_equal(info.shares["kernel"][5], [0, 100])
    np.testing.assert_array_equal(info.shares["kernel"][None], [50, 0])
    for of in info.shares.values():
        np.testing.assert_array_equal(np.sum([*of.values()], axis=0), 100)


def test_rows_are_values_and_columns_bins(front: Front) -> None:
    figure = plot_choices(front, n_bins=4)
    (heat_map,) = figure.data
    assert figure.layout.yaxis.ticktext == (
        "op = &lt;b&gt;",
        "op = pool",
        "kernel = 3",
        "kernel = 5",
        "kernel = inactive",
    )
    np.testing.assert_array_equal(heat_map.z[0], [0, 100, 100, 100])
    assert figure.layout.meta["title"] == "toy: what the front prefers"
    assert "4 configurations in 4 bins" in figure.layout.title.text

"""Values as costs."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.study import StudyDirection

from optuna_ofa.problem import METRICS, Orientation

MAX, MIN = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def test_columns_of_costs_do_not_depend_on_the_order_of_metrics() -> None:
    costs = [[-76.0, 12.0, 3e8]]
    for names, values in (
        (("top1", "latency_ms", "n_macs"), [76.0, 12.0, 3e8]),
        (("latency_ms", "n_macs", "top1"), [12.0, 3e8, 76.0]),
        (("n_macs", "top1", "latency_ms"), [3e8, 76.0, 12.0]),
    ):
        orientation = Orientation.of_metrics({name: METRICS[name] for name in names})
        assert orientation.costs(np.array([values])).tolist() == costs
        assert orientation.values(np.array(costs)).tolist() == [values]
        assert orientation.unsorted(np.array([[1.0, 2.0, 3.0]]))[0].tolist() == [
            {"top1": 1.0, "latency_ms": 2.0, "n_macs": 3.0}[name] for name in names
        ]


@pytest.mark.parametrize(
    ("directions", "order"),
    [
        pytest.param([MAX, MIN], (0, 1), id="quality-cost"),
        pytest.param([MIN, MAX], (1, 0), id="cost-quality"),
        pytest.param([MIN, MIN, MAX, MAX], (2, 3, 0, 1), id="two-of-each"),
        pytest.param([MIN], (0,), id="one"),
    ],
)
def test_what_is_maximised_comes_first(
    directions: list[StudyDirection], order: tuple[int, ...]
) -> None:
    assert Orientation.of_directions(directions).order == order

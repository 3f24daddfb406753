"""Values of a subnet for the file beside an export."""

from __future__ import annotations

from typing import Any

import pytest

from optuna_ofa import FrontPoint, SearchSpace
from optuna_ofa.deployment import KnownValue, figures_of
from optuna_ofa.exceptions import InvalidArgumentError


def test_figures_of_a_point_name_the_device_of_its_latency() -> None:
    point = FrontPoint(
        SearchSpace("ofa_mbv3_fashion").smallest(),
        {"top1": 80.0, "latency_ms": 2.5},
        {"latency_ms": 0.1},
        "predicted",
        3,
    )
    assert figures_of(point, device="phone, onnxruntime") == (
        KnownValue("top1", 80.0, "predicted"),
        KnownValue("latency_ms", 2.5, "predicted", device="phone, onnxruntime", std=0.1),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("top2", 1.0, "measured"), "`metric` must be one of top1", id="metric"),
        pytest.param(("top1", 1.0, "guessed"), "`kind` must be one of predicted", id="kind"),
        pytest.param(("top1", float("nan"), "measured"), "`value` must be finite", id="nan"),
    ],
)
def test_what_is_no_figure_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        KnownValue(*arguments)

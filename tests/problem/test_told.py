"""Measured values beside what was predicted."""

from __future__ import annotations

import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import require_in_order, require_measured

PREDICTED = {"top1": 75.0, "latency_ms": 9.0, "n_macs": 3e8}


def test_each_metric_has_its_rule() -> None:
    require_measured(["top1", "latency_ms"], [0.0, float("nan")], "`a`")
    with pytest.raises(InvalidArgumentError, match=r"`a` must be positive, .* latency_ms 0"):
        require_measured(["top1", "latency_ms"], [75.0, 0.0], "`a`")


@pytest.mark.parametrize(
    "measured",
    [
        {"top1": 9.0, "latency_ms": 75.0},
        {"top1": 21.0, "latency_ms": 73.0},  # 2.3 times as slow, 2 points worse
        {"top1": 3.0, "latency_ms": 78.0},  # three times as fast, 3 points better
        {"latency_ms": 75.0, "top1": 9.0},
        {"top1": 8.0, "n_macs": 3e8, "latency_ms": 75.0},
        {"latency_ms": 3e8, "n_macs": 9.0},
    ],
    ids=str,
)
def test_exchanged_values_are_refused(measured: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`a` must have \w+ and \w+ in the right"):
        require_in_order([measured], [PREDICTED], "`a`")


def test_it_says_all_four_numbers() -> None:
    words = r"got top1 9 and latency_ms 75 where 75 and 9 are predicted; they are probably exch"
    with pytest.raises(InvalidArgumentError, match=words):
        require_in_order([{"top1": 9.0, "latency_ms": 75.0}] * 2, [PREDICTED] * 2, "`a`")


@pytest.mark.parametrize(
    ("measured", "predicted"),
    [
        ({"top1": 75.0, "latency_ms": 75.0}, PREDICTED),  # a device eight times as slow
        ({"top1": 9.0, "latency_ms": 9.0}, PREDICTED),  # statistics that were not recalibrated
        ({"top1": 0.0, "latency_ms": 9.0}, PREDICTED),
        ({"top1": 30.0, "latency_ms": 50.0}, PREDICTED | {"latency_ms": 25.0}),  # other weights
        ({"top1": 92.0, "latency_ms": 75.0}, PREDICTED),  # easier images
        ({"top1": 70.0, "latency_ms": 75.0}, {"top1": 75.0, "latency_ms": 70.0}),  # near each other
        ({"latency_ms": 18.0, "n_macs": 3e8}, PREDICTED),
        ({"top1": 9.0, "latency_ms": 75.0}, {}),
        ({"top1": 9.0}, PREDICTED),
    ],
    ids=str,
)
def test_values_that_only_differ_pass(
    measured: dict[str, float], predicted: dict[str, float]
) -> None:
    require_in_order([measured], [predicted], "`a`")


def test_columns_are_exchanged_in_all_rows() -> None:
    near = {"top1": 70.0, "latency_ms": 55.0}  # whose numbers might be either
    rows = [{"top1": 60.0, "latency_ms": 69.0}, {"top1": 9.0, "latency_ms": 75.0}]
    with pytest.raises(InvalidArgumentError, match="got top1 60 and latency_ms 69"):
        require_in_order(rows, [near, PREDICTED], "`a`")
    require_in_order(rows[:1], [near], "`a`")


def test_a_row_in_order_is_enough() -> None:
    rows = [{"top1": 9.0, "latency_ms": 75.0}, {"top1": 74.0, "latency_ms": 9.0}]
    require_in_order(rows, [PREDICTED] * 2, "`a`")
    require_in_order([], [], "`a`")

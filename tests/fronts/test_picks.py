"""The subnets that are worth showing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Front, FrontPoint, cost_metric, find_picks
from optuna_ofa.fronts._picks import _rounded_up, require_reached
from optuna_ofa.problem import METRICS, Metric

SUBNET = SearchSpace("ofa_mbv3_w1.0").smallest()


def front(*costs: float, objectives: tuple[str, ...] = ("top1", "latency_ms")) -> Front:
    points = [
        FrontPoint(SUBNET, dict(zip(objectives, values, strict=False)), {}, "predicted", i)
        for i, values in enumerate((70.0 + i, cost) for i, cost in enumerate(costs))
    ]
    return Front(points, objectives)


def test_each_limit_has_its_best() -> None:
    picks = find_picks(front(10, 12, 20), limits=[11, 12, 50.5])
    assert {name: p and p.trial_number for name, p in picks.items()} == {
        "under 11 ms": 0,
        "under 12 ms": 1,
        "under 50.5 ms": 2,
    }


def test_limits_with_names_and_other_picks() -> None:
    points = front(10, 12, 20)
    picks = find_picks(points, limits={"saver": 11}, picks={"knee": points[1]})
    assert list(picks.items()) == [("saver", points[0]), ("knee", points[1])]


def test_a_limit_that_nothing_reaches_has_no_pick() -> None:
    assert find_picks(front(10, 12), limits=[5]) == {"under 5 ms": None}


class TestRequireReached:
    @pytest.mark.parametrize("limits", [[5], {"saver": 5, "full": 20}], ids=["plain", "named"])
    def test_the_range_that_can_be_reached_is_named(self, limits: Any) -> None:
        match = r"`limits` must be .*: latency is from 8\.46 ms to 12 ms on the front, but got 5 ms"
        with pytest.raises(InvalidArgumentError, match=match):
            require_reached(limits, [front(8.4507, 12), front(9, 10)])

    def test_what_is_named_is_reached(self) -> None:
        require_reached([8.46], [front(8.4507, 12)])
        require_reached(None, [front(10)])

    def test_one_of_several_fronts_is_enough(self) -> None:
        require_reached([5], [front(10, 12), front(4, 20)])

    def test_counts_are_written_out(self) -> None:
        counts = front(4e8, 5e8, objectives=("top1", "n_macs"))
        with pytest.raises(InvalidArgumentError, match="from 400,000,000 to 500,000,000 on the"):
            require_reached([1e8], [counts])

    def test_metrics_of_the_users_own_may_grow(self) -> None:
        metrics = {
            "top1": METRICS["top1"],
            "rate": Metric("rate", unit="1/s", direction="maximize"),
        }
        fps = Front(
            [FrontPoint(SUBNET, {"top1": 70.0, "rate": 30.0}, {}, "predicted", 0, metrics=metrics)],
            [*metrics.values()],
        )
        require_reached([30], [fps])
        with pytest.raises(InvalidArgumentError, match=r"from 30 1/s to 30 1/s .* got 31 1/s"):
            require_reached([31], [fps])


def test_by_default_five_limits_cover_the_front() -> None:
    points = front(*range(10, 61))
    picks = find_picks(points)
    assert list(picks) == [f"under {x} ms" for x in (20, 30, 40, 50, 60)]
    assert picks["under 60 ms"] is points[-1]


@pytest.mark.parametrize("cost", [0.0123456, 9.999, 123.4, 2.0000001, 3_410_792.0, 12.0])
def test_the_last_limit_holds_the_end(cost: float) -> None:
    assert cost <= _rounded_up(cost) <= cost * 1.01


def test_one_point_has_one_limit() -> None:
    assert list(find_picks(front(12.3))) == ["under 12.3 ms"]


def _metrics(*names: str) -> dict[str, Metric]:
    return {name: METRICS[name] for name in names}


def test_the_cost_is_latency_or_the_last_one() -> None:
    assert cost_metric(_metrics("n_params", "latency_ms", "top1")) == "latency_ms"
    assert cost_metric(_metrics("n_params", "n_macs", "top1")) == "n_macs"
    assert cost_metric(_metrics("top1")) is None
    counts = front(4e8, 5e8, objectives=("top1", "n_macs"))
    assert list(find_picks(counts, limits=[4.5e8])) == ["under 450,000,000"]


def test_without_a_cost_there_is_the_best() -> None:
    points = front(1.0, objectives=("top1",))
    assert find_picks(points) == {"best": points[0]}
    with pytest.raises(InvalidArgumentError, match="`limits` must be None for top1, but got"):
        find_picks(points, limits=[3])


@pytest.mark.parametrize("limit", [0, -1, math.inf, math.nan, "5", True], ids=repr)
@pytest.mark.parametrize("named", [True, False])
def test_limits_are_positive_numbers(limit: Any, named: bool) -> None:
    with pytest.raises(InvalidArgumentError, match="`limits` must be positive numbers, but got"):
        find_picks(front(10, 12), limits={"a": limit} if named else [limit])

"""Figures of a verification."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.fronts import Front
from optuna_ofa.verification import Verification, VerifiedPoint

OBJECTIVES = ("top1", "latency_ms")


def point(
    predicted: tuple[float, float], measured: tuple[float, float], **std: float
) -> VerifiedPoint:
    subnet = SearchSpace("ofa_mbv3_fashion").smallest()
    return VerifiedPoint(
        subnet,
        dict(zip(OBJECTIVES, predicted, strict=True)),
        std,
        dict(zip(OBJECTIVES, measured, strict=True)),
        {},
        0,
    )


def verification(*points: VerifiedPoint) -> Verification:
    return Verification(OBJECTIVES, points, Front([], OBJECTIVES))


@pytest.mark.parametrize(
    ("metric", "measured", "expected"),
    [
        ("top1", (78.3, 10.0), True),  # 1.7 standard deviations below
        ("top1", (78.4, 10.0), False),
        ("top1", (99.0, 10.0), False),  # better is no exploit
        ("latency_ms", (80.0, 10.34), True),
        ("latency_ms", (80.0, 10.32), False),
        ("latency_ms", (80.0, 5.0), False),
    ],
)
def test_exploited_is_worse_than_the_interval(
    metric: str, measured: tuple[float, float], expected: bool
) -> None:
    assert point((80.0, 10.0), measured, top1=1.0, latency_ms=0.2).exploited(metric) is expected


def test_without_a_standard_deviation_it_is_unknown() -> None:
    one = point((80.0, 10.0), (10.0, 10.0), latency_ms=0.2)
    assert one.exploited("top1") is None
    found = verification(one)
    assert found.exploited == ()
    assert found.n_known("top1") == 0
    assert "unknown" in str(found)


def test_figures() -> None:
    found = verification(
        point((80.0, 10.0), (78.0, 8.0), top1=1.0), point((82.0, 20.0), (83.0, 25.0), top1=1.0)
    )
    top1, latency = found.errors["top1"], found.errors["latency_ms"]
    assert latency.mape == pytest.approx((25 + 20) / 2)
    assert latency.rmse == pytest.approx(math.sqrt((4 + 25) / 2))
    assert latency.bias == pytest.approx(-1.5)
    assert latency.kendall == 1.0
    assert (top1.n, found.n_known("top1"), found.n_exploited("top1")) == (2, 2, 1)
    assert found.exploited == found.points[:1]


def test_the_table_has_a_row_for_each_subnet() -> None:
    text = str(verification(point((80.0, 10.0), (78.0, 8.0), top1=1.0)))
    head, row, _, _, top1, latency = text.split("\n")
    assert head.startswith("1 subnet measured;")
    assert "top1 80.00 ± 1.00 -> 78.00 (+2.00) exploited" in row
    assert "latency_ms 10.00 -> 8.00 (+2.00) unknown" in row
    assert top1.split()[-3:] == ["1", "of", "1"]
    assert latency.split()[-1] == "unknown"


def test_the_front_is_of_measured_values_only(make_study: Callable[..., SubnetStudy]) -> None:
    study = make_study()
    best = study.front(kind="predicted")[-1].subnet
    measure = {
        "top1": lambda s: 30.0 if s == best else 50.0,
        "latency_ms": lambda s: 9.0 if s == best else 3.0,
    }
    found = study.verify(measure, points=5)
    assert best in [p.subnet for p in found]
    assert best not in [p.subnet for p in found.front]
    assert {p.kind for p in found.front} == {"measured"}

"""Figures of a verification."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from optuna_ofa import SearchSpace, SubnetStudy
from optuna_ofa.fronts import Front
from optuna_ofa.verification import Verification, VerifiedPoint
from optuna_ofa.verification._images import Images, images_of

OBJECTIVES = ("top1", "latency_ms")


def point(
    predicted: tuple[float, float],
    measured: tuple[float, float],
    measured_std: dict[str, float] | None = None,
    on_fitted: dict[str, float] | None = None,
    data: str = "here",
    **std: float,
) -> VerifiedPoint:
    subnet = SearchSpace("ofa_mbv3_fashion").smallest()
    return VerifiedPoint(
        subnet,
        dict(zip(OBJECTIVES, predicted, strict=True)),
        std,
        dict(zip(OBJECTIVES, measured, strict=True)),
        measured_std or {},
        0,
        {"top1": {"data": {"images": data, "n_images": 500}}},
        on_fitted or {},
    )


def verification(*points: VerifiedPoint) -> Verification:
    return Verification(OBJECTIVES, points, Front([], OBJECTIVES))


@pytest.mark.parametrize(
    ("metric", "measured", "expected"),
    [
        ("top1", (78.3, 10.0), True),  # 1.7 standard deviations below
        ("top1", (78.4, 10.0), False),
        ("top1", (99.0, 10.0), False),  # better is no overestimate
        ("latency_ms", (80.0, 10.34), True),
        ("latency_ms", (80.0, 10.32), False),
        ("latency_ms", (80.0, 5.0), False),
    ],
)
def test_overestimated_is_worse_than_the_interval(
    metric: str, measured: tuple[float, float], expected: bool
) -> None:
    assert point((80.0, 10.0), measured, top1=1.0, latency_ms=0.2).overestimated(metric) is expected


def test_the_deviation_of_the_measurement_widens_the_interval() -> None:
    exact = point((80.0, 10.0), (78.0, 10.0), top1=1.0)
    noisy = point((80.0, 10.0), (78.0, 10.0), {"top1": 0.8}, top1=1.0)
    assert exact.overestimated("top1") is True
    assert noisy.overestimated("top1") is False  # 2.0 points are 1.56 of 1.28
    assert point((80.0, 10.0), (77.8, 10.0), {"top1": 0.8}, top1=1.0).overestimated("top1") is True


FITTED = Images("there", 2000)


def test_other_images_than_the_predictor_was_fitted_on_are_named() -> None:
    points = (point((80.0, 10.0), (78.0, 10.0)),)
    found = Verification(OBJECTIVES, points, Front([], OBJECTIVES), {}, {"top1": FITTED})
    assert found.measured_on("top1") == Images("here", 500)
    assert "fitted on 2,000 images (there), measured on 500 images (here)" in str(found)
    same = Verification(
        OBJECTIVES, points, Front([], OBJECTIVES), {}, {"top1": Images("here", 500)}
    )
    assert same.notes == ()


def test_other_conditions_of_accuracies_are_named() -> None:
    measured = replace(
        point((80.0, 10.0), (78.0, 4.0)), measured_by={"top1": {"precision": "int8"}}
    )
    made = (OBJECTIVES, (measured,), Front([], OBJECTIVES), {}, {})
    (note,) = Verification(*made, {"top1": {"precision": "float32"}}).notes
    assert note == (
        "top1: predictor with another precision (float32, measured with int8), so the errors are "
        "not those of the predictor alone"
    )
    assert Verification(*made, {"top1": {"precision": "int8"}}).notes == ()
    assert Verification(*made, {}).notes == ()


def test_the_mean_errors_on_both_are_told_apart_where_both_were_measured() -> None:
    points = (
        point((80.0, 10.0), (78.0, 10.0), on_fitted={"top1": 79.5}),
        point((82.0, 10.0), (79.5, 10.0), on_fitted={"top1": 81.0}),
    )
    found = Verification(OBJECTIVES, points, Front([], OBJECTIVES), {}, {"top1": FITTED})
    assert found.errors["top1"].mean_error == pytest.approx(-2.25)
    assert found.errors_on_fitted["top1"].mean_error == pytest.approx(-0.75)
    assert "mean error -0.750 points on the images that the predictor was fitted on" in str(found)
    assert "the change of images adds -1.50 points" in str(found)


@pytest.mark.parametrize(
    ("setup", "images"),
    [
        ({"data": {"images": "ab", "n_images": 5}}, Images("ab", 5)),
        ({"data": "ab", "n_images": 5}, Images("ab", 5)),
        ({"data": "ab"}, Images("ab", None)),
        ({"data": None}, None),
        ({}, None),
    ],
    ids=str,
)
def test_images_are_read_from_setups_and_metadata(
    setup: dict[str, Any], images: Images | None
) -> None:
    assert images_of(setup) == images


def test_without_a_standard_deviation_it_is_unknown() -> None:
    one = point((80.0, 10.0), (10.0, 10.0), latency_ms=0.2)
    assert one.overestimated("top1") is None
    found = verification(one)
    assert found.overestimated == ()
    assert found.n_known("top1") == 0
    assert "unknown" in str(found)


def test_figures() -> None:
    found = verification(
        point((80.0, 10.0), (78.0, 8.0), top1=1.0), point((82.0, 20.0), (83.0, 25.0), top1=1.0)
    )
    top1, latency = found.errors["top1"], found.errors["latency_ms"]
    assert latency.mape == pytest.approx((25 + 20) / 2)
    assert latency.rmse == pytest.approx(math.sqrt((4 + 25) / 2))
    assert latency.mean_error == pytest.approx(1.5)
    assert latency.kendall == 1.0
    assert (top1.n, found.n_known("top1"), found.n_overestimated("top1")) == (2, 2, 1)
    assert found.overestimated == found.points[:1]


def test_the_table_has_a_row_for_each_subnet() -> None:
    text = str(verification(point((80.0, 10.0), (78.0, 8.0), top1=1.0)))
    head, row, _, _, top1, latency = text.split("\n")
    assert head == "1 subnet measured; predicted -> measured (measured minus predicted)"
    assert "top1 80.00 ± 1.00 -> 78.00 (-2.00) overestimated" in row
    assert "latency_ms 10.00 -> 8.00 (-2.00) unknown" in row
    assert top1.split()[-3:] == ["1", "of", "1"]
    assert latency.split()[-1] == "unknown"


def test_a_latency_below_its_prediction_has_a_negative_error() -> None:
    one = point((80.0, 8.45), (80.0, 2.27))
    assert one.error("latency_ms") == pytest.approx(-6.18)
    assert "latency_ms 8.450 -> 2.270 (-6.180)" in str(verification(one))


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


def test_a_measured_cost_of_zero_counts() -> None:
    one = point((80.0, 10.0), (78.0, 0.0))
    assert one.error("latency_ms") == -10.0
    found = verification(one)
    latency = found.errors["latency_ms"]
    assert (latency.n, latency.mean_error, latency.rmse) == (1, -10.0, 10.0)
    assert "latency_ms 10.00 -> 0.00 (-10.00)" in str(found)

"""A verification says which predictions are extrapolated, and how wrong those were."""

from __future__ import annotations

import pytest

from optuna_ofa import SubnetStudy
from optuna_ofa.verification import Verification

LIMIT = 72.0


@pytest.fixture
def found(far_study: SubnetStudy) -> Verification:
    """Extrapolated accuracies are a point too high, others are right."""
    predicted = {p.subnet: p.top1 for p in far_study.front()}
    return far_study.verify({"top1": lambda s: predicted[s] - (predicted[s] > LIMIT)}, points=8)


def test_points_say_so(found: Verification) -> None:
    expected = [("top1",) if p.predicted["top1"] > LIMIT else () for p in found]
    assert [p.extrapolated for p in found] == expected
    assert {*expected} == {(), ("top1",)}


def test_the_table_says_so(found: Verification) -> None:
    rows = str(found).splitlines()[1 : 1 + len(found)]
    assert [row.endswith("extrapolated") for row in rows] == [bool(p.extrapolated) for p in found]
    assert "extrapolated" in found._repr_html_()


def test_their_errors_are_told_apart(found: Verification) -> None:
    n = sum(bool(p.extrapolated) for p in found)
    assert found.notes[-1] == (
        f"top1: {n} of 8 predictions are extrapolated, far from what the predictor was fitted on; "
        f"their mean error is -1.00 against +0.00 points of the others"
    )


def test_within_what_was_fitted_nothing_is_said(far_study: SubnetStudy) -> None:
    near = [p for p in far_study.front() if not p.extrapolated]
    found = far_study.verify({"top1": lambda _: 70.5}, points=near[:4])
    assert "extrapolated" not in str(found)

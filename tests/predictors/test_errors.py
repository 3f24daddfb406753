"""Errors of predictions against measurements."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from optuna_ofa.predictors import prediction_errors


def test_rank_correlations_equal_scipy() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 8, (2, 50)).astype(float)  # with ties
    errors = prediction_errors("x", a + 1, b + 1)
    assert errors.kendall == pytest.approx(stats.kendalltau(a, b).statistic)
    assert errors.spearman == pytest.approx(stats.spearmanr(a, b).statistic)
    constant = prediction_errors("x", np.ones(3), b[:3] + 1)
    assert np.isnan(constant.kendall)
    assert np.isnan(constant.spearman)


def test_there_are_no_figures_of_no_subnets() -> None:
    row = prediction_errors("x", np.empty(0), np.empty(0))
    assert row.n == 0
    assert np.isnan(row[2:]).all()


def test_errors_are_relative_to_the_measurement() -> None:
    row = prediction_errors("x", np.array([1.04, 1.92, 2.7]), np.array([1.0, 2.0, 3.0]))
    assert row.mape == pytest.approx((4 + 4 + 10) / 3)
    assert row.mpe == pytest.approx((-4 + 4 + 10) / 3)
    assert row.mean_error == pytest.approx((-0.04 + 0.08 + 0.3) / 3)
    assert row.rmse == pytest.approx(np.sqrt((0.04**2 + 0.08**2 + 0.3**2) / 3))
    assert row.within_5 == pytest.approx(200 / 3)


def test_an_error_is_negative_where_less_was_measured_than_predicted() -> None:
    row = prediction_errors("latency_ms", np.array([8.45]), np.array([2.27]))
    assert row.mean_error == pytest.approx(-6.18)
    assert row.mpe == pytest.approx(-6.18 / 2.27 * 100)
    assert row.mape == pytest.approx(6.18 / 2.27 * 100)

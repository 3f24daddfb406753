"""Regression with prices that are not negative."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.predictors.latency._nonnegative import fit_nonnegative, nonnegative_solution

RNG = np.random.default_rng(0)
X = np.column_stack([np.ones(30), RNG.uniform(1, 5, (30, 3))])


@pytest.mark.parametrize("seed", range(20))
def test_the_solution_has_no_slope_downhill(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(8, 12))
    gram, moments = rows.T @ rows + 1e-3 * np.eye(12), rng.normal(size=12)
    weights, active = nonnegative_solution(gram, moments)
    slopes = gram @ weights - moments
    assert (weights >= 0).all()
    np.testing.assert_array_equal(active, weights > 0)
    np.testing.assert_allclose(slopes[active], 0, atol=1e-9)
    assert (slopes[~active] > -1e-8).all()


def test_prices_are_found() -> None:
    fitted = fit_nonnegative(X, X @ [3.0, 0.0, 2.0, 0.5])
    np.testing.assert_allclose(fitted.weights, [3, 0, 2, 0.5], atol=1e-3)


def test_a_price_that_would_be_negative_is_zero() -> None:
    fitted = fit_nonnegative(X, X @ [9.0, -1.0, 2.0, 0.5])
    assert fitted.weights[1] == 0
    assert not fitted.covariance[1].any()


def test_the_errors_are_those_of_fits_without_the_row() -> None:
    targets = X @ [3.0, 1.0, 2.0, 0.5] * np.exp(RNG.normal(0, 0.05, 30))
    fitted = fit_nonnegative(X, targets, penalty=1e-6)
    for i in range(30):
        kept = np.arange(30) != i
        without = fit_nonnegative(X[kept], targets[kept], penalty=1e-6)
        assert fitted.errors[i] == pytest.approx(X[i] @ without.weights / targets[i] - 1, abs=1e-3)


def test_fewer_rows_than_prices_stay_near_the_prior() -> None:
    prior = np.array([3.0, 1.0, 2.0, 0.5])
    fitted = fit_nonnegative(X[:2], X[:2] @ prior * 1.05, prior=prior)
    np.testing.assert_allclose(X @ fitted.weights, X @ prior, rtol=0.1)


@pytest.mark.parametrize(
    "column", [np.zeros(30), np.ones(30), X[:, 1]], ids=["zero", "one", "same"]
)
def test_columns_that_say_nothing_new_do_no_harm(column: np.ndarray) -> None:
    targets = X @ [3.0, 1.0, 2.0, 0.5]
    fitted = fit_nonnegative(np.column_stack([X, column]), targets)
    np.testing.assert_allclose(np.column_stack([X, column]) @ fitted.weights, targets, rtol=1e-3)

"""Regression with prices that are not negative."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.predictors.latency._nonnegative import (
    averaged_nonnegative,
    fit_nonnegative,
    nonnegative_solution,
)

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


def _noisy(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = np.column_stack([np.ones(n), rng.uniform(1, 3, (n, 4))])
    return x, x @ [2.0, 1.0, 1.0, 0.5, 0.5] * np.exp(0.1 * rng.standard_normal(n))


MERGED = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=float)


def test_few_rows_are_predicted_better_by_the_average_with_a_simpler_model() -> None:
    x, y = _noisy(2000)
    truth = x @ [2.0, 1.0, 1.0, 0.5, 0.5]
    errors = np.zeros(2)
    for start in range(0, 400, 8):
        few = slice(start, start + 8)
        fits = (
            fit_nonnegative(x[few], y[few]),
            averaged_nonnegative(x[few], y[few], [np.eye(5), MERGED]),
        )
        errors += [np.mean((x @ fit.weights / truth - 1) ** 2) for fit in fits]
    assert errors[1] < 0.9 * errors[0]


def test_many_rows_leave_only_the_model_that_explains_them() -> None:
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(300), rng.uniform(1, 3, (300, 4))])
    y = x @ [2.0, 3.0, 0.0, 0.5, 0.5] * np.exp(0.01 * rng.standard_normal(300))
    fitted = averaged_nonnegative(x, y, [np.eye(5), MERGED])
    np.testing.assert_allclose(fitted.weights, fit_nonnegative(x, y).weights, atol=0.02)


def test_an_average_has_no_negative_price_and_is_unsure_where_models_differ() -> None:
    x, y = _noisy(8)
    fitted = averaged_nonnegative(x, y, [np.eye(5), MERGED])
    assert (fitted.weights >= 0).all()
    assert (np.linalg.eigvalsh(fitted.covariance) > -1e-9).all()
    alone = averaged_nonnegative(x, y, [MERGED], penalty=1e-6)
    assert alone.weights[1] == alone.weights[2]
    assert alone.weights[3] == alone.weights[4]


def test_an_exact_fit_is_averaged_too() -> None:
    x, _ = _noisy(30)
    fitted = averaged_nonnegative(x, x @ [2.0, 1.0, 1.0, 0.5, 0.5], [np.eye(5), MERGED])
    assert np.isfinite(fitted.covariance).all()
    np.testing.assert_allclose(fitted.weights, [2.0, 1.0, 1.0, 0.5, 0.5], rtol=1e-3)

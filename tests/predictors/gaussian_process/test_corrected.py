"""Expectations that measurements correct."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.predictors import CorrectedProcess, Expected, GaussianProcess, averaged
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
ROWS, TEST = SPACE.sample(40, seed=0), SPACE.sample(300, seed=1)


class Known(Expected):
    def __init__(self, function: Callable[[Matrix], Vector]) -> None:
        self._function = function

    def __call__(self, matrix: Matrix) -> Vector:
        return self._function(matrix)[:, None]


def truth(matrix: Matrix) -> Vector:
    return np.asarray(70 + 0.01 * matrix.sum(axis=1) + 0.3 * (matrix[:, 1:6] > 3).sum(axis=1))


def fit(n: int, known: Callable[[Matrix], Vector], noise: float = 0.0) -> CorrectedProcess:
    values = truth(ROWS[:n]) + np.random.default_rng(0).normal(0, noise, n)
    return CorrectedProcess.fit(SPACE, averaged(ROWS[:n], values), Known(known))


def shares(process: CorrectedProcess) -> dict[str, float]:
    return {part.variant: part.share for part in process.parts}


@pytest.mark.parametrize(
    ("known", "best"),
    [
        (lambda m: truth(m) - 4, "offset"),
        (lambda m: 0.8 * truth(m), "line"),
        (lambda m: np.full(len(m), 70.0), "alone"),
    ],
    ids=["offset", "line", "useless"],
)
def test_weights_follow_left_out_errors(known: Callable[[Matrix], Vector], best: str) -> None:
    found = shares(fit(40, known, noise=0.02))
    assert sum(found.values()) == pytest.approx(1)
    assert found.get(best, 0) > 0.05
    assert found.get("offset", 0) < 0.05 or best == "offset"


def test_left_out_errors_are_those_of_fits_without_the_row() -> None:
    rows = averaged(ROWS[:12], truth(ROWS[:12]))
    process = GaussianProcess.fit(SPACE, rows)
    errors, std = process.left_out()
    features = process._inputs.features
    kernel = process._posterior.kernel
    targets = (rows.top1 - rows.top1.mean()) / rows.top1.std()
    covariance = kernel(features, features) + float(
        kernel.noise(process._inputs.shares)[0]
    ) ** 2 * np.eye(12)
    for i in range(12):
        others = np.arange(12) != i
        weights = np.linalg.solve(covariance[np.ix_(others, others)], covariance[others, i])
        error = rows.top1.std() * (targets[i] - weights @ targets[others])
        variance = covariance[i, i] - weights @ covariance[others, i]
        assert errors[i] == pytest.approx(error, rel=1e-3, abs=1e-6)
        assert std[i] == pytest.approx(rows.top1.std() * np.sqrt(variance), rel=1e-3)


def test_more_rows_keep_what_was_fitted_to_fewer() -> None:
    known = Known(lambda m: truth(m) ** 1.01)
    few = CorrectedProcess.fit(SPACE, averaged(ROWS[:20], truth(ROWS[:20])), known)
    more = CorrectedProcess.fit(SPACE, averaged(ROWS, truth(ROWS)), few.expected, like=few)
    assert shares(more) == shares(few)
    for a, b in zip(few.parts, more.parts, strict=True):
        np.testing.assert_array_equal(a.process.logs, b.process.logs)
    assert np.abs(more.predict(TEST) - truth(TEST)).mean() < 0.1


def test_many_rows_are_weighed_by_some_of_them() -> None:
    rows = averaged(ROWS, truth(ROWS))
    some = CorrectedProcess.fit(SPACE, rows, Known(truth), n_tuning_rows=15)
    assert np.abs(some.predict(TEST) - truth(TEST)).mean() < 0.1


def test_equal_values_are_learnt_from_what_is_expected() -> None:
    rows = averaged(ROWS[:6], np.full(6, 75.0))
    process = CorrectedProcess.fit(SPACE, rows, Known(truth))
    assert "alone" not in shares(process)
    assert np.isfinite(process.predict(TEST)).all()
    assert np.isfinite(process.predict_std(TEST)).all()


def test_no_rows_have_no_predictions() -> None:
    assert fit(10, truth).predict(TEST[:0]).shape == (0,)

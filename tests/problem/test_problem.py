"""Predicting batches in which a predictor raises."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.exceptions import FailedPredictionWarning, PredictionError
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem import Problem, warn_failed
from optuna_ofa.space import Matrix

MakePredictor = Callable[..., Predictor]


@pytest.fixture
def rows(space: SearchSpace) -> Matrix:
    return space.sample(20, seed=3)


@pytest.fixture
def make(space: SearchSpace, predictor: MakePredictor) -> Callable[..., Problem]:
    """Make a problem whose latency predictor raises `error` for `bad` rows, and count its calls."""

    def problem(bad: Matrix, error: BaseException, calls: list[int] | None = None) -> Problem:
        plain = predictor("latency_ms", space)

        def formula(matrix: Matrix) -> NDArray[np.float64]:
            if calls is not None:
                calls.append(len(matrix))
            if (matrix[:, None] == bad).all(axis=2).any():
                raise error
            return plain.predict(matrix)

        return Problem(
            space=space,
            objectives=("top1", "latency_ms"),
            constraints={"latency_ms": 30.0},
            predictors={
                "top1": predictor("top1", space),
                "latency_ms": predictor("latency_ms", space, formula),
            },
        )

    return problem


@pytest.mark.parametrize("bad", [[], [0], [19], [3, 4, 11], list(range(20))], ids=str)
def test_rows_that_raise_are_told_from_the_rest(
    make: Callable[..., Problem], rows: Matrix, bad: list[int]
) -> None:
    error = OSError("no answer")
    attempt = make(rows[bad], error).try_evaluate(rows)
    good = np.setdiff1d(np.arange(20), bad)
    assert np.flatnonzero(attempt.done).tolist() == good.tolist()
    assert attempt.errors == [error] * len(bad)
    expected = make(rows[:0], error).evaluate(rows[good])
    np.testing.assert_allclose(attempt.predicted.values, expected.values, rtol=1e-12)
    np.testing.assert_allclose(attempt.predicted.excess, expected.excess, rtol=1e-9)


def test_one_row_of_many_costs_few_calls(make: Callable[..., Problem], space: SearchSpace) -> None:
    calls: list[int] = []
    rows = space.sample(64, seed=0)
    make(rows[[37]], ValueError("broken"), calls).try_evaluate(rows)
    assert len(calls) == 1 + 2 * 6  # one for all, two for each halving


def test_a_wrong_number_is_no_failure_of_single_rows(
    make: Callable[..., Problem], rows: Matrix, predictor: MakePredictor, space: SearchSpace
) -> None:
    problem = make(rows[:0], ValueError())
    problem.predictors["top1"] = predictor("top1", space, lambda m: np.full(len(m), np.nan))
    with pytest.raises(PredictionError, match=r"`top1` must return finite numbers.*20 of 20"):
        problem.try_evaluate(rows)


def one(predictor: Predictor) -> Problem:
    """A problem of one objective."""
    return Problem(
        space=predictor.space,
        objectives=[predictor.metric],
        constraints={},
        predictors={predictor.metric: predictor},
    )


@pytest.mark.parametrize(
    ("metric", "value", "match"),
    [
        ("latency_ms", 0.0, "numbers above 0, up to 600,000, but returned 0.0"),
        ("latency_ms", -3.0, "numbers above 0, up to 600,000, but returned -3.0"),
        ("latency_ms", 1e9, "numbers above 0, up to 600,000, but returned 1000000000.0"),
        ("top1", 7000.0, "numbers above -50, up to 150, but returned 7000.0"),
        ("top1", np.inf, "finite numbers, but returned inf"),
    ],
)
def test_impossible_predictions_are_refused(
    predictor: MakePredictor, space: SearchSpace, metric: str, value: float, match: str
) -> None:
    def predict(matrix: Matrix) -> NDArray[np.float64]:
        return np.full(len(matrix), value)

    problem = one(predictor(metric, space, predict))
    with pytest.raises(PredictionError, match=f"`{metric}` must return {match}"):
        problem.evaluate(space.sample(3, seed=0))


def test_models_may_extrapolate_beyond_percentages(
    predictor: MakePredictor, space: SearchSpace
) -> None:
    above = predictor("top1", space, lambda m: np.full(len(m), 100.2))
    problem = one(above)
    assert problem.evaluate(space.sample(1, seed=0)).values.item() == 100.2


def test_an_interrupt_passes_through(make: Callable[..., Problem], rows: Matrix) -> None:
    with pytest.raises(KeyboardInterrupt, match="stop"):
        make(rows[:1], KeyboardInterrupt("stop")).try_evaluate(rows)


def test_a_failing_objective_says_its_subnet(make: Callable[..., Problem], rows: Matrix) -> None:
    problem = make(rows, OSError("no answer"))
    study = optuna.create_study(directions=problem.directions)
    study.enqueue_trial(problem.space.to_params(rows[:1])[0])
    study.optimize(problem, n_trials=1, catch=OSError)
    assert study.trials[0].state == TrialState.FAIL
    assert Subnet.from_dict(study.trials[0].user_attrs["subnet"]) in problem.space


def test_the_warning_says_how_many_and_why() -> None:
    with pytest.warns(FailedPredictionWarning, match=r"for 2 of 9 subnets.*error is OSError: a"):
        warn_failed([OSError("a"), ValueError("b")], 9)

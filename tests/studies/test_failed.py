"""Searching with a predictor that raises for some subnets."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from optuna.trial import TrialState

from optuna_ofa import SearchSpace, Subnet, SubnetStudy
from optuna_ofa.exceptions import FailedPredictionWarning, PredictionError
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.problem import Attempt
from optuna_ofa.space import Matrix

Make = Callable[..., SubnetStudy]
LIMIT = 4_500_000  # parameters


@pytest.fixture
def flaky(predictor: Callable[..., Predictor]) -> Callable[[SearchSpace], Predictor]:
    """Make a latency predictor that refuses subnets with many parameters."""

    def make(over: SearchSpace) -> Predictor:
        params = CostPredictor("n_params", over)

        def formula(matrix: Matrix) -> NDArray[np.float64]:
            values = params.predict(matrix)
            if (values > LIMIT).any():
                raise MemoryError("too large for the device")
            return values / 1e5

        return predictor("latency_ms", over, formula)

    return make


def of_state(study: SubnetStudy, state: TrialState) -> list[Subnet]:
    trials = study.get_trials(states=(state,))
    return [Subnet.from_dict(t.user_attrs["subnet"]) for t in trials]


def test_its_subnets_fail_and_the_rest_goes_on(
    make_study: Make,
    space: SearchSpace,
    flaky: Callable[[SearchSpace], Predictor],
    url: str,
    names: Callable[[], str],
) -> None:
    study = make_study(storage=url, study_name=names(), hardware=flaky(space))
    with pytest.warns(FailedPredictionWarning, match=r"for \d+ of 20 .*MemoryError: too large"):
        study.search(20)
    failed = of_state(study, TrialState.FAIL)
    complete = of_state(study, TrialState.COMPLETE)
    assert len(set(failed) | set(complete)) == len(study.trials) == 20
    params = CostPredictor("n_params", space)
    assert params.predict(space.to_matrix(failed)).min() > LIMIT
    assert params.predict(space.to_matrix(complete)).max() <= LIMIT
    assert {p.subnet for p in study.front()} <= set(complete)
    errors = {t.user_attrs["error"] for t in study.get_trials(states=(TrialState.FAIL,))}
    assert errors == {"MemoryError: too large for the device"}


@pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.FailedPredictionWarning")
def test_they_are_not_tried_again_after_a_restart(
    make_study: Make,
    small_space: SearchSpace,
    flaky: Callable[[SearchSpace], Predictor],
    sqlite: str,
) -> None:
    def resume() -> SubnetStudy:
        return make_study(
            small_space,
            storage=sqlite,
            study_name="a",
            load_if_exists=True,
            hardware=flaky(small_space),
            objectives=["latency_ms"],
        )

    resume().search(120)
    study = resume()
    study.search(300)
    tried = of_state(study, TrialState.FAIL) + of_state(study, TrialState.COMPLETE)
    assert len(set(tried)) == len(tried) == 243


@pytest.mark.parametrize(("n", "n_failed"), [(300, 100), (1, 1)])
def test_when_all_fail_the_search_ends_with_the_error(
    make_study: Make, space: SearchSpace, predictor: Callable[..., Predictor], n: int, n_failed: int
) -> None:
    def formula(matrix: Matrix) -> NDArray[np.float64]:
        raise ConnectionError("the device is away")

    study = make_study(hardware=predictor("latency_ms", space, formula))
    expected = f"for all {n_failed} subnets .* ConnectionError: the device is away"
    with pytest.raises(PredictionError, match=expected) as info:
        study.search(n)
    assert isinstance(info.value.__cause__, ConnectionError)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * n_failed


def test_an_interrupt_ends_the_search_and_marks_nothing(
    make_study: Make, space: SearchSpace, predictor: Callable[..., Predictor]
) -> None:
    latency = predictor("latency_ms", space)
    study = make_study(hardware=latency)
    study.search(100)

    def formula(matrix: Matrix) -> NDArray[np.float64]:
        raise KeyboardInterrupt("stop")

    latency.formula = formula  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt, match="stop"):
        study.search(100)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 100


def test_a_constraint_is_reachable_by_what_can_be_predicted(
    make_study: Make, space: SearchSpace, flaky: Callable[[SearchSpace], Predictor]
) -> None:
    study = make_study(hardware=flaky(space), constraints={"latency_ms": 40.0})
    with pytest.warns(FailedPredictionWarning, match="too large"):
        study.search(100)
    assert max(p.values["latency_ms"] for p in study.front()) <= 40.0


def test_failed_trials_say_which_subnet_and_why(make_study: Make) -> None:
    study = make_study()
    rows, started = study.space.sample(3, seed=3), datetime.datetime.now()
    done, errors = np.array([False, True, False]), [OSError("a"), ValueError("b")]
    attempt = Attempt(done, study.problem.evaluate(rows[1:2]), errors)
    with pytest.warns(FailedPredictionWarning, match="for 2 of 3 subnets"):
        study.engine._search._add_failed(rows, attempt, started)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    assert [t.user_attrs["error"] for t in study.trials] == ["OSError: a", "ValueError: b"]
    subnets = [Subnet.from_dict(t.user_attrs["subnet"]) for t in study.trials]
    assert subnets == study.space.from_matrix(rows[::2])
    assert (study.space.from_params([t.params for t in study.trials]) == rows[::2]).all()
    assert study.trials[0].datetime_start == started

"""Objectives of the user's own: what they may return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from optuna_ofa import SubnetStudy
from optuna_ofa.exceptions import ImplausibleValueWarning, InvalidArgumentError

Make = Callable[..., SubnetStudy]

WRONG = pytest.mark.parametrize(
    ("values", "match"),
    [
        ((75.0, -3.0), "must be positive, at most 600,000, but got latency_ms -3"),
        ((75.0, 0), "must be positive"),
        ((7500.0, 9.0), "must be in percent, from 0 to 100, but got top1 7500"),
        ((True, 9.0), "must be numbers"),
        (("75", 9.0), "must be numbers"),
    ],
    ids=str,
)


@WRONG
def test_an_objective_that_returns_something_else_fails(
    make_study: Make, values: Any, match: str
) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> Any:
        study.space.suggest(trial)
        return values

    with pytest.raises(InvalidArgumentError, match=f"The objective's values {match}"):
        study.optimize(objective, n_trials=3)
    assert [t.state for t in study.trials] == [TrialState.FAIL]
    study.optimize(objective, n_trials=2, catch=InvalidArgumentError)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 3


def test_values_in_each_others_place_are_refused(make_study: Make) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        row = study.space.to_matrix([study.space.suggest(trial)])
        top1, latency = study.problem.evaluate(row).values[0].tolist()
        return latency, top1

    with pytest.raises(InvalidArgumentError, match="must have top1 and latency_ms in the right"):
        study.optimize(objective, n_trials=1)


@pytest.mark.parametrize("values", [None, float("nan"), (75.0, float("nan")), (75.0,)], ids=str)
def test_what_is_no_row_of_numbers_is_left_to_optuna(make_study: Make, values: Any) -> None:
    study = make_study()
    study.optimize(lambda _: values, n_trials=1)
    assert [t.state for t in study.trials] == [TrialState.FAIL]


def test_a_fraction_is_warned_of(make_study: Make) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        return 0.75, 20.0

    with pytest.warns(ImplausibleValueWarning, match="top1 is in percent") as found:
        study.optimize(objective, n_trials=1)
    assert found[0].filename == __file__


@WRONG
@pytest.mark.parametrize("by", [lambda t: t, lambda t: t.number], ids=["trial", "number"])
def test_a_told_trial_still_runs(make_study: Make, by: Any, values: Any, match: str) -> None:
    study = make_study()
    trial = study.ask()
    study.space.suggest(trial)
    with pytest.raises(InvalidArgumentError, match=f"`values` of trial 0 {match}"):
        study.tell(by(trial), values)
    assert [t.state for t in study.trials] == [TrialState.RUNNING]
    study.tell(by(trial), (75.0, 20.0))
    assert study.trials[0].values == [75.0, 20.0]


def test_a_trial_may_be_told_to_have_failed(make_study: Make) -> None:
    study = make_study()
    study.tell(study.ask(), state=TrialState.FAIL)
    assert [t.state for t in study.trials] == [TrialState.FAIL]


def test_a_trial_that_is_added_is_checked(make_study: Make) -> None:
    study = make_study()
    for values, match in (((75.0, -3.0), "positive"), ((750.0, 3.0), "in percent")):
        with pytest.raises(InvalidArgumentError, match=f"`trial` must be {match}"):
            study.add_trials([create_trial(values=values)])
    assert study.trials == []
    study.add_trial(create_trial(values=(75.0, 3.0)))
    assert len(study.trials) == 1


@pytest.mark.parametrize("value", [True, "224", 225, None, float("nan"), [224]], ids=repr)
def test_an_enqueued_parameter_is_one_of_the_choices(make_study: Make, value: Any) -> None:
    study = make_study()
    with pytest.raises(InvalidArgumentError, match=r"`params\['resolution'\]` must be one of "):
        study.enqueue_trial({"resolution": value})
    assert study.trials == []


def test_other_parameters_may_be_enqueued_beside_some_of_the_space(make_study: Make) -> None:
    study = make_study()
    study.enqueue_trial({"resolution": study.space.resolutions[0], "rate": 0.1})
    assert [t.state for t in study.trials] == [TrialState.WAITING]


def test_infinite_values_are_left_to_optuna(make_study: Make) -> None:
    study = make_study()
    study.add_trial(create_trial(values=(float("-inf"), float("inf"))))
    assert [t.state for t in study.trials] == [TrialState.COMPLETE]

"""Samplers of Optuna know the constraints of a study, whatever the objective sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.samplers import BaseSampler, GPSampler, NSGAIIISampler, NSGAIISampler, TPESampler
from optuna.trial import TrialState, create_trial

from optuna_ofa import Metric, SubnetStudy
from optuna_ofa.samplers import EvolutionarySampler

Make = Callable[..., SubnetStudy]
LIMITS = {"latency_ms": 15.0}

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
SAMPLERS = pytest.mark.parametrize(
    "make_sampler",
    [
        lambda: GPSampler(seed=0, n_startup_trials=4),
        lambda: TPESampler(seed=0, n_startup_trials=4),
        lambda: NSGAIISampler(seed=0, population_size=4),
        lambda: NSGAIIISampler(seed=0, population_size=4),
    ],
    ids=["GP", "TPE", "NSGA-II", "NSGA-III"],
)


def half_violate(study: SubnetStudy) -> Callable[[optuna.Trial], tuple[float, float]]:
    """An objective that sets no constraints; the better half of its values violate them."""

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        even = trial.number % 2 == 0
        return 75.0 + even, 20.0 if even else 10.0 + trial.number / 100

    return objective


@SAMPLERS
def test_an_own_objective_after_predictions(
    make_study: Make, make_sampler: Callable[[], BaseSampler]
) -> None:
    study = make_study(sampler=make_sampler(), constraints=LIMITS)
    study.optimize(study.problem, n_trials=5)
    study.optimize(half_violate(study), n_trials=7)
    assert {tuple(t.constraints) for t in study.trials} == {("0", "latency_ms")}
    own = study.trials[5:]
    assert [t.constraints["latency_ms"] > 0 for t in own] == [t.number % 2 == 0 for t in own]
    assert {t.number for t in study.best_trials if t.number >= 5} == {5}
    assert [p.trial_number for p in study.front(kind="measured")] == [5]


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "sqlite"])
def test_gp_goes_on_with_a_search(make_study: Make, tmp_path: Path, stored: bool) -> None:
    storage = f"sqlite:///{tmp_path}/study.db" if stored else None
    sampler = GPSampler(seed=0, n_startup_trials=4)
    study = make_study(sampler=sampler, constraints=LIMITS, storage=storage)
    study.search(20)
    study.tell_batch(study.ask_batch(2), [(75.0, 20.0), (75.0, 10.0)])
    study.optimize(half_violate(study), n_trials=2)
    study.add_trial(create_trial(values=(75.0, 20.0)))
    study.optimize(half_violate(study), n_trials=1)
    assert {tuple(t.constraints) for t in study.trials} == {("0", "latency_ms")}
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize("ours", [False, True], ids=["TPE", "EvolutionarySampler"])
def test_constraints_on_other_metrics_are_of_predictions(make_study: Make, ours: bool) -> None:
    limits = {"latency_ms": 15.0, "n_params": 5e6}
    study = make_study(constraints=limits)
    study.sampler = study.sampler if ours else TPESampler(seed=0)
    assert isinstance(study.sampler, EvolutionarySampler) == ours
    study.optimize(half_violate(study), n_trials=2)
    problem = study.problem
    for trial in study.trials:
        predicted = problem.evaluate(problem.space.from_params([trial.params])).excess[0]
        assert trial.constraints["n_params"] == predicted[1]
        assert trial.constraints["latency_ms"] == trial.values[1] - 15.0


def test_what_the_objective_sets_stays(make_study: Make) -> None:
    study = make_study(sampler=TPESampler(seed=0), constraints=LIMITS)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        trial.set_constraint("latency_ms", 3.0)
        trial.set_constraint("energy_mj", 1.0)
        return half_violate(study)(trial)

    study.optimize(objective, n_trials=1)
    assert study.trials[0].constraints == {"0": 4.0, "latency_ms": 3.0, "energy_mj": 1.0}


def test_a_metric_that_is_only_measured_is_left_out(make_study: Make) -> None:
    energy = Metric("energy_mj", unit="mJ", direction="minimize")
    study = make_study(
        sampler=TPESampler(seed=0), predictors=[energy], constraints={"energy_mj": 5.0}
    )
    study.optimize(half_violate(study), n_trials=1)
    assert study.trials[0].constraints == {}


@pytest.mark.parametrize("values", [None, (75.0, float("nan")), (75.0,)], ids=str)
def test_a_trial_that_fails_has_none(make_study: Make, values: object) -> None:
    study = make_study(sampler=TPESampler(seed=0), constraints=LIMITS)
    study.optimize(lambda _: values, n_trials=1)  # type: ignore[arg-type, return-value]
    assert study.trials[0].state == TrialState.FAIL
    assert study.trials[0].constraints == {}


@pytest.mark.parametrize("by", [lambda t: t, lambda t: t.number], ids=["trial", "number"])
def test_a_told_trial_gets_attributes_and_constraints(
    make_study: Make, by: Callable[[optuna.Trial], optuna.Trial | int]
) -> None:
    study = make_study(sampler=TPESampler(seed=0), constraints=LIMITS)
    trial = study.ask()
    subnet = study.space.suggest(trial)
    study.tell(by(trial), (75.0, 20.0))
    (told,) = study.trials
    assert told.user_attrs["kind"] == "measured"
    assert told.user_attrs["subnet"] == subnet.to_dict(by_name=True)
    assert told.constraints == {"0": 5.0, "latency_ms": 5.0}
    study.tell(by(trial), (75.0, 10.0), skip_if_finished=True)
    assert study.trials[0].constraints == told.constraints


def test_a_number_of_no_trial_is_left_to_optuna(make_study: Make) -> None:
    with pytest.raises(ValueError, match="Cannot tell for trial with number 7"):
        make_study().tell(7, (75.0, 20.0))


def test_an_added_trial_gets_attributes_and_constraints(make_study: Make) -> None:
    study = make_study(constraints=LIMITS)
    subnet = study.space.largest()
    (params,) = study.space.to_params(study.space.to_matrix([subnet]))
    given = create_trial(
        params=params, distributions=study.space.distributions, values=(75.0, 20.0)
    )
    study.add_trial(given)
    (added,) = study.trials
    assert added.user_attrs["kind"] == "measured"
    assert added.user_attrs["subnet"] == subnet.to_dict(by_name=True)
    assert added.constraints == {"0": 5.0, "latency_ms": 5.0}
    assert given.user_attrs == given.system_attrs == {}

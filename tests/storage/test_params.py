"""Trials whose parameters are not stored, and which have them nevertheless when they are read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

import optuna_ofa
from optuna_ofa.dashboard import publish_view
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.storage._params import Restored
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
BOUND = {"latency_ms": 30.0}


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, sqlite: str, tmp_path: Path) -> Any:
    """A storage of each kind."""
    journal = JournalStorage(JournalFileBackend(str(tmp_path / "log")))
    return {"memory": None, "sqlite": sqlite, "journal": journal}[request.param]


def stored(study: SubnetStudy) -> list[FrozenTrial]:
    """The trials as any other program reads them."""
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def params(study: optuna.Study) -> list[dict[str, Any]]:
    """The parameters of all trials."""
    return [trial.params for trial in study.trials]


def test_those_that_extend_the_front_have_parameters(make_study: Make, storage: Any) -> None:
    study = make_study(constraints=BOUND, storage=storage, parameters="front")
    study.search(300)
    signed = np.array([t.values for t in stored(study)]) * study.problem.signs
    feasible = [t.constraints["latency_ms"] <= 0 for t in stored(study)]
    whole = [bool(trial.params) for trial in stored(study)]
    assert 0 < sum(whole) < 150
    for i, values in enumerate(signed):
        before = signed[:i][np.array(feasible[:i], dtype=bool)]
        beaten = ((before <= values).all(axis=1) & (before < values).any(axis=1)).any()
        if not feasible[i] or beaten:
            assert not whole[i]
    front = {point.trial_number for point in study.front()}
    assert all(whole[number] for number in front)
    assert all({"subnet", "subnet_text", "kind"} <= t.user_attrs.keys() for t in stored(study))


def test_the_study_itself_has_the_parameters_of_all(make_study: Make, storage: Any) -> None:
    everything = make_study(constraints=BOUND)
    front = make_study(constraints=BOUND, storage=storage, parameters="front")
    for study in (everything, front):
        study.search(250)
    for ours, theirs in zip(front.trials, everything.trials, strict=True):
        assert (ours.params, ours.distributions) == (theirs.params, theirs.distributions)
        assert (ours.values, ours.user_attrs) == (theirs.values, theirs.user_attrs)
        assert ours.constraints == theirs.constraints
        ours._validate()
    states = (TrialState.COMPLETE,)
    assert len(front.get_trials(states=states)) == 250
    assert front.get_trials(states=(TrialState.RUNNING,)) == []
    assert front.trials_dataframe().shape == everything.trials_dataframe().shape


def test_a_pickled_study_restores_them(sqlite: str) -> None:
    study = optuna_ofa.study("ofa_mbv3_w1.0", storage=sqlite, parameters="front", seed=0)
    study.search(30)
    expected = params(study)
    assert params(pickle.loads(pickle.dumps(study))) == expected
    assert all(expected)


def test_a_reopened_search_is_that_of_one_process(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    whole = make_study(constraints=BOUND)
    whole.search(until=330)
    kept = {"constraints": BOUND, "storage": url, "study_name": names(), "load_if_exists": True}
    for i, n in enumerate(range(110, 331, 110)):  # in turns with one that writes all of them
        shared = make_study(**kept, parameters=("front", "all")[i % 2])
        shared.search(until=n)
    assert [t.values for t in shared.trials] == [t.values for t in whole.trials]
    assert params(shared) == params(whole)
    n_whole = [sum(bool(t.params) for t in stored(shared)[i : i + 110]) for i in (0, 110, 220)]
    assert n_whole[1] == 110
    assert n_whole[0] < 110
    assert n_whole[2] < 110
    assert [(p.subnet, p.values) for p in shared.front()] == [
        (p.subnet, p.values) for p in whole.front()
    ]


def test_load_study_restores_them(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=sqlite, study_name="a", parameters="front")
    study.search(120)
    loaded = optuna_ofa.load_study("a", sqlite)
    assert params(loaded) == params(study)
    assert all(params(loaded))
    assert loaded.best_trials == study.best_trials


def test_workers_extend_one_front(make_study: Make, sqlite: str) -> None:
    shared = {"storage": sqlite, "study_name": "a", "load_if_exists": True, "parameters": "front"}
    first, second = (make_study(**shared, seed=seed) for seed in (1, 2))
    for study in (first, second, first):
        study.search(100)
    trials = stored(second)
    signed = np.array([t.values for t in trials]) * second.problem.signs
    for i, values in enumerate(signed):
        beaten = (signed[:i] < values).all(axis=1).any()  # also by what the other has written
        assert not (beaten and trials[i].params)
    assert all(params(second))


def test_importances_and_plots_of_optuna(make_study: Make, sqlite: str) -> None:
    everything = make_study()
    front = make_study(storage=sqlite, study_name="a", parameters="front")
    for study in (everything, front):
        study.search(120)
    found = [
        optuna.importance.get_param_importances(
            study,
            target=lambda trial: trial.values[1],
            evaluator=optuna.importance.FanovaImportanceEvaluator(n_trees=8, seed=0),
        )
        for study in (everything, front)
    ]
    assert found[0] == found[1] != {}
    drawn = [
        optuna.visualization.plot_parallel_coordinate(study, target=lambda trial: trial.values[0])
        for study in (everything, front)
    ]
    assert drawn[0].to_json() == drawn[1].to_json()
    plain = optuna.load_study(study_name="a", storage=sqlite)
    assert optuna.search_space.intersection_search_space(plain.trials) == {}


def test_a_sampler_of_optuna_learns_from_all(make_study: Make, sqlite: str) -> None:
    sampler = optuna.samplers.TPESampler(seed=0, n_startup_trials=5, multivariate=True)
    study = make_study(storage=sqlite, parameters="front", sampler=sampler)
    study.search(60)
    study.optimize(study.problem, n_trials=3)
    assert len(study.trials) == 63
    assert all(stored(study)[-i].params for i in (1, 2, 3))
    assert sampler.infer_relative_search_space(study, study.trials[-1]) != {}


def test_what_is_measured_has_parameters(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=sqlite, parameters="front")
    study.search(100)
    asked = study.ask_batch(3)
    study.tell_batch(asked, [(70.0, 20.0 + i) for i in range(3)])
    assert all(stored(study)[one.number].params for one in asked)
    assert len(study.results(kind="measured").matrix) == 3


def test_one_objective(make_study: Make, sqlite: str) -> None:
    study = make_study(
        objectives=["top1"], constraints=BOUND, storage=sqlite, parameters="front", keep="sample"
    )
    study.search(200)
    assert study.best_params == study.best_trial.params != {}
    assert 0 < sum(bool(t.params) for t in stored(study)) < len(study.trials)


def test_a_view_has_parameters_and_the_note_of_the_study_says_what_is_missing(
    make_study: Make, sqlite: str, tmp_path: Path
) -> None:
    study = make_study(storage=sqlite, parameters="front")
    study.search(100)
    view = publish_view(study, f"sqlite:///{tmp_path}/view.db", n_trials=30)
    assert all(trial.params for trial in stored(view))
    study.publish()
    assert "have parameters" in note(study)
    assert "have parameters" not in note(view)


def note(study: SubnetStudy) -> str:
    """The note of a study in Optuna Dashboard."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    keys = sorted(key for key in attributes if key.startswith("dashboard:note_str"))
    return "".join(attributes[key] for key in keys)


def test_trials_of_others_stay_as_they_are(make_study: Make) -> None:
    study = make_study()
    study.search(10)
    whole, bare, strange = study.trials[:3]
    bare.params, bare.distributions = {}, {}
    strange.params, strange.distributions = {}, {}
    strange.user_attrs = {"subnet": {"family": "another"}}
    restored = Restored(study.space)
    for trials in ([whole, bare, strange], [whole, bare, strange]):
        found = restored(trials)
        assert found[0] is whole
        assert found[1].params == study.trials[1].params
        assert bare.params == {}  # what the storage keeps is not changed
        assert found[2] is strange


@pytest.mark.parametrize("parameters", ["none", None, True], ids=str)
def test_other_values_are_refused(make_study: Make, sqlite: str, parameters: Any) -> None:
    rule = f"`parameters` must be one of 'all', 'front', but got {parameters!r}"
    with pytest.raises(InvalidArgumentError, match=rule):
        make_study(storage=sqlite, study_name="a", parameters=parameters)
    assert not Path(sqlite.removeprefix("sqlite:///")).exists()


def test_a_trial_in_memory_is_one_of_optuna(make_study: Make) -> None:
    study = make_study()
    study.search(20)
    kept = study.get_trials(deepcopy=False)
    assert {type(trial) for trial in kept} == {FrozenTrial}
    copied = study.trials[0]
    copied.params["resolution"] = copied.user_attrs["kind"] = None
    assert kept[0].params["resolution"] in study.space.choices["resolution"]
    assert kept[0].user_attrs["kind"] == "predicted"
    for trial in kept:
        trial._validate()

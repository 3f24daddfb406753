"""Trials that violate constraints are known as such to Optuna and to Optuna Dashboard."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import flaw_of_attributes, violation_of, violations
from optuna_ofa.problem._constraints import named_constraints
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
LIMITS = {"latency_ms": 22.0, "n_params": 5e6}


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | BaseStorage | None:
    if request.param == "journal":
        return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    return None if request.param == "memory" else f"sqlite:///{tmp_path}/study.db"


def check(trials: list[FrozenTrial]) -> None:
    """What Optuna reads of each, and the list that Optuna Dashboard reads."""
    named = [{n: c for n, c in t.constraints.items() if n in LIMITS} for t in trials]
    violated = [any(c > 0 for c in constraints.values()) for constraints in named]
    assert any(violated)
    assert not all(violated)
    for trial, constraints, is_violated in zip(trials, named, violated, strict=True):
        assert set(constraints) == set(LIMITS)
        total = sum(max(c, 0.0) for c in constraints.values())
        listed = trial.system_attrs.get("constraints")
        assert listed == [pytest.approx(total)]
        assert (listed[0] > 0) == is_violated


def test_search_notes_violations_in_every_storage(
    make_study: Make, storage: str | BaseStorage | None
) -> None:
    study = make_study(constraints=LIMITS, storage=storage)
    study.search(200)
    check(study.trials)
    feasible = [t.number for t in study.trials if t.system_attrs["constraints"] == [0.0]]
    assert feasible == np.flatnonzero(study.results().feasible).tolist()
    best = {t.number for t in study.best_trials}
    assert best == {p.trial_number for p in study.front()}


def test_a_batch_that_was_told(make_study: Make, storage: str | BaseStorage | None) -> None:
    study = make_study(constraints=LIMITS, storage=storage)
    asked = study.ask_batch(2)
    n_params = [4e6, 6e6]
    study.tell_batch(asked, [(75.0, 20.0), (75.0, 25.0)], constraints={"n_params": n_params})
    check(study.trials)
    assert [t.system_attrs["constraints"] for t in study.trials] == [[0.0], [1e6 + 3.0]]


def test_optimize_with_an_objective_of_ones_own(make_study: Make) -> None:
    study = make_study(constraints=LIMITS)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        trial.set_constraint("latency_ms", trial.number - 3.0)
        trial.set_constraint("n_params", -1.0)
        if trial.number == 6:
            raise optuna.TrialPruned
        return 75.0, 22.0

    study.optimize(objective, n_trials=8)
    check([t for t in study.trials if t.state == TrialState.COMPLETE])
    assert study.trials[6].system_attrs["constraints"] == [3.0]


def test_a_plain_study_and_its_failures(make_study: Make) -> None:
    space = make_study().space
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=EvolutionarySampler(space, seed=0)
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        space.suggest(trial)
        trial.set_constraint("size", 1.0)
        if trial.number:
            raise ValueError
        return 75.0, 22.0

    study.optimize(objective, n_trials=2, catch=ValueError)
    assert [t.system_attrs.get("constraints") for t in study.trials] == [[1.0], None]
    assert study.trials[0].constraints == {"0": 1.0, "size": 1.0}
    assert study.best_trials == []


def test_what_another_has_listed_stays(make_study: Make) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        trial.storage.set_trial_system_attr(trial._trial_id, "constraints", [2.0, -1.0])
        return 75.0, 22.0

    study.optimize(objective, n_trials=1)
    assert study.trials[0].system_attrs["constraints"] == [2.0, -1.0]


def test_the_dashboard_reads_them(make_study: Make, tmp_path: Path) -> None:
    serializer = pytest.importorskip("optuna_dashboard._serializer")
    study = make_study(constraints=LIMITS, storage=f"sqlite:///{tmp_path}/study.db")
    study.search(100)
    read = [serializer.serialize_frozen_trial(0, t, {})["constraints"] for t in study.trials]
    assert [all(c <= 0 for c in cs) for cs in read] == study.results().feasible.tolist()
    assert any(read)


def test_the_order_of_violations_is_the_same_to_optuna(make_study: Make) -> None:
    study = make_study(constraints=LIMITS)
    study.search(100)
    named = [sum(max(t.constraints[n], 0) for n in LIMITS) for t in study.trials]
    summed = [sum(max(c, 0) for c in t.constraints.values()) for t in study.trials]
    np.testing.assert_allclose(summed, 2 * np.array(named))


def test_optimize_adds_violations_up_in_units_of_their_bounds(make_study: Make) -> None:
    study = make_study(constraints=LIMITS)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        trial.set_constraint("latency_ms", 2.2)
        trial.set_constraint("n_params", 1e6)
        return 75.0, 24.2

    study.optimize(objective, n_trials=2)
    study.sampler.sync(study)
    violations = [one for part in study.sampler.evolution._pending for one in part.violations]
    assert violations == pytest.approx([2.2 / 22 + 1e6 / 5e6] * 2)


def test_violations_are_divided_by_their_scales() -> None:
    excess = np.array([[3.0, 200.0], [-1.0, 50.0], [np.nan, 10.0], [-2.0, 0.0]])
    found = violations(excess, np.array([2.0, 100.0]))
    np.testing.assert_allclose(found, [3.5, 0.5, 0.1, 0.0])
    np.testing.assert_allclose(violations(excess), [203.0, 50.0, 10.0, 0.0])
    by_name = {"a": 3.0, "b": 200.0, "c": 0.5, "d": -7.0}
    assert violation_of(by_name, {"a": 2.0, "b": 100.0}) == pytest.approx(4.0)
    assert violation_of(by_name) == pytest.approx(203.5)


class TestWhatIsNotSet:
    """Constraints that an objective leaves to the problem, in `optimize` and in `learn=True`."""

    def test_on_objectives_are_those_of_the_values(self, make_study: Make) -> None:
        problem = make_study(constraints=LIMITS).problem
        row = problem.space.sample(1, seed=0)
        n_params = problem.predict("n_params", row)[0]
        found = problem.all_excess(row, (75.0, 30.0), {})
        assert found == {"latency_ms": 8.0, "n_params": pytest.approx(n_params - 5e6)}
        assert problem.all_excess(None, (75.0, 30.0), {}) == {"latency_ms": 8.0}

    def test_those_that_are_set_come_first(self, make_study: Make) -> None:
        problem = make_study(constraints=LIMITS).problem
        row = problem.space.sample(1, seed=0)
        known = {"latency_ms": 1.5, "n_params": -3.0, "memory": 2.0}
        assert problem.all_excess(row, (75.0, 30.0), known) == known
        some = problem.all_excess(row, (75.0, 30.0), {"n_params": -3.0})
        assert some == {"n_params": -3.0, "latency_ms": 8.0}

    @pytest.mark.parametrize("learn", [False, True])
    def test_the_sampler_knows_them_of_each_trial(self, make_study: Make, learn: bool) -> None:
        sampler = {"sampler": None, "learn": True, "seed": 0} if learn else {}
        study = make_study(constraints={"latency_ms": 22.0}, **sampler)
        for values in ((75.0, 30.0), (74.0, 20.0)):
            trial = study.ask()
            study.space.suggest(trial)
            study.tell(trial, values)
        bare = [
            optuna.trial.create_trial(
                values=t.values, params=t.params, distributions=t.distributions
            )
            for t in study.trials
        ]
        for trials in (study.trials, bare):  # those of another process may have no attributes
            found = [study.sampler.constraints_of(t)["latency_ms"] for t in trials]
            assert found == [pytest.approx(8.0), pytest.approx(-2.0)]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [("1.5", 1.5), ("-3", -3.0), ("2.5e-7", 2.5e-7), ("inf", math.inf), ("nan", math.inf)],
)
def test_numbers_that_rustuna_writes_as_text(stored: str, expected: float) -> None:
    assert named_constraints({"constraints:a": stored}) == {"a": expected}
    assert flaw_of_attributes({"constraints:a": stored}) is None


@pytest.mark.parametrize("stored", ["", "abc", "1,5", "0x1", "1_0", "1 ", "1" * 200, "\u0661"])
def test_other_texts_are_no_constraints(stored: str) -> None:
    assert flaw_of_attributes({"constraints:a": stored}) is not None

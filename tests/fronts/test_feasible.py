"""What is feasible: the same everywhere, whoever has set the constraints, and in every storage."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from optuna_ofa import SubnetStudy
from optuna_ofa.exceptions import EmptyFrontError
from optuna_ofa.visualization._hypervolume import hypervolume_info

Make = Callable[..., SubnetStudy]


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str | BaseStorage | None:
    if request.param == "journal":
        return JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    return None if request.param == "memory" else f"sqlite:///{tmp_path}/study.db"


def run(study: SubnetStudy, n: int, seed: int) -> None:
    """Optimize with values and constraints at random; some trials have none."""
    rng = np.random.default_rng(seed)

    def objective(trial: optuna.Trial) -> list[float]:
        study.space.suggest(trial)
        for name in ("energy_mj", "area"):
            if rng.random() < 0.7:
                trial.set_constraint(name, rng.normal())
        if rng.random() < 0.3:
            trial.set_constraint("latency_ms", rng.normal())
        return [float(rng.uniform(65, 80)), float(rng.uniform(10, 40))]

    study.optimize(objective, n_trials=n)


def numbers(study: SubnetStudy) -> set[int]:
    return {point.trial_number for point in study.front()}


@pytest.mark.parametrize("constraints", [None, {"latency_ms": 25.0, "n_params": 6e6}])
def test_the_front_is_optunas_best_trials(
    make_study: Make, storage: str | BaseStorage | None, constraints: dict[str, float] | None
) -> None:
    arguments = {"constraints": constraints, "storage": storage, "study_name": "f"}
    source = make_study(constraints=constraints)
    run(source, 25, seed=0)
    study = make_study(**arguments)
    study.add_trials(source.trials)
    best = {t.number for t in study.best_trials}
    assert numbers(study) == best
    assert 0 < study.results().feasible.sum() < 25
    copy = study.copy(None, sorted(best))
    assert numbers(copy) == set(range(len(best)))
    if storage is not None:
        assert numbers(make_study(load_if_exists=True, **arguments)) == best


def test_the_views_leave_out_what_an_objective_marked(make_study: Make, tmp_path: Path) -> None:
    study = make_study()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        trial.set_constraint("energy_mj", 1.0 if trial.number == 3 else -1.0)
        return (99.0, 1.0) if trial.number == 3 else (70.0 + trial.number, 9.0 + trial.number)

    study.optimize(objective, n_trials=6)
    assert 3 not in numbers(study)
    assert study.front().best(latency_ms=20.0).values["top1"] == 75.0
    assert study.front().modes({"full": 20.0})["full"].values["top1"] == 75.0
    assert numbers(study.snapshot()) == numbers(study)  # type: ignore[arg-type]
    (progress,) = hypervolume_info(study).progress.values()
    assert progress.hypervolume.max() < 99.0 * 15.0
    study.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 violate a limit" in text
    assert "99.00" not in text


def test_the_error_names_the_trial_that_violates_least(
    make_study: Make, storage: str | BaseStorage | None
) -> None:
    study = make_study(storage=storage, constraints={"latency_ms": 20.0})

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        study.space.suggest(trial)
        trial.set_constraint("energy_mj", [3.0, 0.5, 2.0][trial.number])
        return 70.0 + trial.number, 10.0

    study.optimize(objective, n_trials=3)
    expected = (
        r"None of 3 trials satisfies \{'latency_ms': 20.0\} and the constraints that trials have "
        "set themselves; the one that violates them least, trial 1, has top1 71.00"
    )
    with pytest.raises(EmptyFrontError, match=expected):
        study.front()


def test_a_constraint_of_a_trial_that_was_asked_for(
    make_study: Make, storage: str | BaseStorage | None
) -> None:
    study = make_study(storage=storage)
    asked = study.ask_batch(2)
    asked[0].trial.set_constraint("energy_mj", 0.1)
    study.tell_batch(asked, [(75.0, 20.0), (74.0, 20.0)])
    assert numbers(study) == {asked[1].number} == {t.number for t in study.best_trials}


def test_the_constraints_of_older_samplers_count(
    make_study: Make, storage: str | BaseStorage | None
) -> None:
    study = make_study(storage=storage)
    for row, system in zip(
        study.space.sample(3, seed=0),
        [{"constraints": [-1.0, 0.5]}, {"constraints": [-1.0, 0.0]}, {}],
        strict=True,
    ):
        trial = optuna.create_trial(
            params=study.space.to_params(row[None])[0],
            distributions=dict(study.space.distributions),
            values=(70.0, 9.0),
            system_attrs=system,
        )
        study.add_trial(trial)
    assert numbers(study) == {1, 2} == {t.number for t in study.best_trials}


@pytest.mark.parametrize("learn", [False, True])
def test_the_search_avoids_what_objectives_mark(make_study: Make, learn: bool) -> None:
    study = make_study(sampler=None, learn=learn)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        subnet = study.space.suggest(trial)
        depth = sum(subnet.stage_depths)
        trial.set_constraint("energy_mj", math.inf if depth > 17 else depth - 13.0)
        return 60.0 + depth, 5.0 + depth

    study.optimize(objective, n_trials=30 if learn else 60)
    assert max(sum(p.subnet.stage_depths) for p in study.front()) <= 13
    if learn:
        asked = study.ask_batch(4)
        assert min(sum(a.subnet.stage_depths) for a in asked) <= 13


@pytest.mark.parametrize("values", [(math.inf, 9.0), (70.0, -math.inf), (-math.inf, math.inf)])
def test_values_that_are_not_finite_are_on_no_front(
    make_study: Make, storage: str | BaseStorage | None, values: tuple[float, float]
) -> None:
    study = make_study(storage=storage)
    plain = optuna.load_study(study_name=study.study_name, storage=study._storage)
    rows = study.space.sample(3, seed=0)
    plain.tell(study.ask(dict(study.space.distributions)).number, values)
    with pytest.raises(EmptyFrontError, match="None of 1 trials has finite values"):
        study.front()
    for row, added in zip(rows[:2], [values, (71.0, 8.0)], strict=True):
        plain.add_trial(
            optuna.create_trial(
                params=study.space.to_params(row[None])[0],
                distributions=dict(study.space.distributions),
                values=added,
            )
        )
    study.tell_batch(study.ask_batch(1), [None])
    assert numbers(study) == {2}
    assert len(study.plot_front().data[-1].x) == 1
    assert study.results().finite.sum() == 1


class TestBothKinds:
    @pytest.fixture
    def study(self, make_study: Make) -> SubnetStudy:
        study = make_study()
        study.search(50)
        study.tell_batch(study.ask_batch(2), [(75.0, 20.0), (74.0, 19.0)])
        return study

    def test_measured_values_come_first(self, study: SubnetStudy) -> None:
        assert repr(study.front()) == "Front(2 measured points, top1 / latency_ms)"
        assert len(study.results().numbers) == 2
        assert study.snapshot().front().kind == "measured"

    def test_predicted_ones_are_given_by_kind(self, study: SubnetStudy) -> None:
        assert study.front(kind="predicted").kind == "predicted"
        assert len(study.results(kind="predicted").numbers) == 50

    def test_a_measurement_that_violates_a_constraint_hides_no_front(
        self, make_study: Make
    ) -> None:
        study = make_study(constraints={"latency_ms": 25.0})
        study.search(50)
        study.tell_batch(study.ask_batch(1), [(75.0, 26.0)])
        assert study.front().kind == "predicted"

"""What the search of a study learns: predictions, whoever ran the trials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from optuna_ofa import Subnet, SubnetStudy
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.samplers import Constant, EvolutionarySampler
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.studies import Asked

Make = Callable[..., SubnetStudy]
Step = Callable[[SubnetStudy, list[Asked]], None]


def search(n: int) -> Step:
    return lambda study, asked: study.search(n)


def ask(n: int) -> Step:
    return lambda study, asked: asked.extend(study.ask_batch(n))


def tell(*values: list[float] | None) -> Step:
    """Measured values that are far better than predicted ones."""

    def step(study: SubnetStudy, asked: list[Asked]) -> None:
        study.tell_batch(asked[: len(values)], values)
        del asked[: len(values)]

    return step


def evaluate(n: int) -> Step:
    """Trials of an objective of one's own."""

    def step(study: SubnetStudy, asked: list[Asked]) -> None:
        for row in study.space.sample(n, seed=len(study.trials)):
            study.enqueue_trial(study.space.to_params(row[None])[0])
        study.optimize(objective, n_trials=n)

    def objective(trial: Trial) -> tuple[float, float]:
        return 95.0, trial.number + 0.5

    return step


GOOD = [90.0, 1.0]
N = 40  # subnets of a generation
COURSES = {
    "generations": [search(52), search(68), search(24)],
    "running": [search(N), ask(7), search(60), search(20)],
    "midst": [
        *(search(4), ask(16), search(12), ask(12), search(32), ask(20), tell(GOOD), search(28))
    ],
    "measured": [search(N), ask(7), search(N), tell(GOOD, GOOD, None), search(2 * N)],
    "at-once": [ask(5), tell(GOOD, None, GOOD), search(60), ask(4), tell(GOOD), search(N)],
    "evaluated": [search(N), evaluate(8), search(N), evaluate(3), search(60)],
    "failed": [ask(6), tell(None, None), search(N), ask(3), tell(None), ask(3), search(N)],
}


def trials(study: SubnetStudy) -> list[tuple[Any, ...]]:
    return [(t.state, t.params, t.values) for t in study.trials]


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
@pytest.mark.parametrize("course", COURSES.values(), ids=COURSES)
def test_a_continued_study_goes_on_as_one_that_was_not_interrupted(
    make_study: Make,
    space: SearchSpace,
    sqlite: str,
    tmp_path: Path,
    course: list[Step],
    storage: str,
) -> None:
    def sampler() -> EvolutionarySampler:
        sizes = {"population_size": N, "generation_size": Constant(N), "n_candidates": 400}
        return EvolutionarySampler(space, seed=0, **sizes)

    def backend() -> str | BaseStorage:
        if storage == "sqlite":
            return sqlite
        return JournalStorage(JournalFileBackend(str(tmp_path / "log")))

    whole = make_study(sampler=sampler(), storage=backend(), study_name="whole")
    asked: list[Asked] = []
    for step in course:
        step(whole, asked)
    asked.clear()
    for step in course:  # each time as a new process would
        part = make_study(
            sampler=sampler(), storage=backend(), study_name="parts", load_if_exists=True
        )
        step(part, asked)
    assert trials(part) == trials(whole)


@pytest.mark.parametrize("again", [False, True], ids=["same-process", "new-process"])
def test_measured_values_do_not_compete(make_study: Make, sqlite: str, again: bool) -> None:
    study = make_study(storage=sqlite, study_name="a")
    for step in (evaluate(3), search(50), evaluate(3)):
        step(study, [])
    asked = study.ask_batch(10)
    study.tell_batch(asked, [GOOD] * 10)
    if again:
        study = make_study(storage=sqlite, study_name="a", load_if_exists=True)
    study.search(200)
    check_population(study)


def check_population(study: SubnetStudy) -> None:
    """All survivors have what is predicted for them."""
    population = study.engine._search.evolution._population
    assert population is not None
    expected = study.problem.evaluate(population.matrix).values
    assert study.problem.orientation.values(population.costs).tolist() == expected.tolist()


def test_what_others_measure_in_the_meantime_does_not_compete(
    make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace, sqlite: str
) -> None:
    accuracy = predictor("top1", space)
    study = make_study(storage=sqlite, study_name="a", accuracy=accuracy)
    other = make_study(storage=sqlite, study_name="a", load_if_exists=True, seed=1)
    predict = accuracy.predict

    def meanwhile(matrix: Matrix) -> NDArray[np.float64]:
        accuracy.predict = predict  # type: ignore[method-assign]
        asked = other.ask_batch(10)
        other.tell_batch(asked, [GOOD] * 10)
        return predict(matrix)

    accuracy.predict = meanwhile  # type: ignore[method-assign]
    study.search(200)
    assert np.count_nonzero(study.engine.known().measured) == 10
    check_population(study)


def test_the_sampler_learns_what_was_measured_in_optimize(make_study: Make) -> None:
    study = make_study()
    study.optimize(lambda trial: (75.0, float(len(str(study.space.suggest(trial))))), n_trials=120)
    population = study.sampler.evolution._population  # type: ignore[attr-defined]
    assert set(population.costs[:, 0].tolist()) == {-75.0}


def test_measured_subnets_that_cannot_be_predicted_are_not_repeated(
    make_study: Make, predictor: Callable[..., Predictor], small_space: SearchSpace
) -> None:
    params = CostPredictor("n_params", small_space)
    limit = params.predict(small_space.to_matrix([small_space.largest()]))[0]

    def formula(matrix: Matrix) -> NDArray[np.float64]:
        if (params.predict(matrix) >= limit).any():
            raise MemoryError("too large")
        return params.predict(matrix) / 1e6

    study = make_study(small_space, hardware=predictor("latency_ms", small_space, formula))
    largest = small_space.to_matrix([small_space.largest()])
    study.add_trial(
        optuna.create_trial(
            params=small_space.to_params(largest)[0],
            distributions=dict(small_space.distributions),
            values=[80.0, 9.0],
        )
    )
    study.search(300)
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 243


def test_subnets_that_were_told_to_have_failed_are_not_given_again(
    make_study: Make, small_space: SearchSpace
) -> None:
    study = make_study(small_space)
    asked = study.ask_batch(240)
    plain = optuna.load_study(study_name=study.study_name, storage=study._storage)
    for one in asked[:5]:
        plain.tell(one.number, state=TrialState.FAIL)
    again: list[Subnet] = [a.subnet for a in study.ask_batch(10)]
    assert len(again) == 3
    assert not set(again) & {a.subnet for a in asked}

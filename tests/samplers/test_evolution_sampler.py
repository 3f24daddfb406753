"""The sampler in plain Optuna studies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase
from optuna.trial import TrialState

from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.samplers import Constant, EvolutionarySampler
from optuna_ofa.space import SearchSpace


def _space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[224])


class TestEvolutionarySampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """Optuna's public suite; its relative cases need a sampler of arbitrary spaces."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: EvolutionarySampler(_space(), population_size=4, seed=0)


def _objective(space: SearchSpace) -> Callable[[optuna.Trial], tuple[float, float]]:
    macs = LayerSum(space, lambda layer, _: layer_macs(layer))
    params = LayerSum(space, lambda layer, _: layer_params(layer))

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        row = space.to_matrix([space.suggest(trial)])
        trial.set_constraint("n_macs", float(macs(row)[0]) - 4e8)
        return float(params(row)[0]), float(macs(row)[0])

    return objective


def test_plain_study_never_repeats_a_subnet() -> None:
    space = _space()
    sampler = EvolutionarySampler(space, population_size=10, seed=1)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(_objective(space), n_trials=60)
    rows = space.from_params([t.params for t in study.trials])
    assert len({row.tobytes() for row in rows}) == 60


def test_plain_study_starts_with_the_smallest_and_the_largest() -> None:
    space = _space()
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=EvolutionarySampler(space, population_size=4, seed=1),
    )
    study.optimize(_objective(space), n_trials=2)
    first, second = space.from_matrix(space.from_params([t.params for t in study.trials]))
    assert (first, second) == (space.smallest(), space.largest())


def test_same_seed_gives_the_same_trials() -> None:
    space = _space()

    def params(seed: int) -> list[dict[str, object]]:
        study = optuna.create_study(
            directions=["maximize", "minimize"],
            sampler=EvolutionarySampler(space, population_size=5, seed=seed),
        )
        study.optimize(_objective(space), n_trials=25)
        return [t.params for t in study.trials]

    assert params(3) == params(3)
    assert params(3) != params(4)


def test_enqueued_trial_is_run_and_not_repeated() -> None:
    space = _space()
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=EvolutionarySampler(space, population_size=5, seed=0),
    )
    largest = space.to_params(space.to_matrix([space.largest()]))[0]
    study.enqueue_trial(largest)
    study.optimize(_objective(space), n_trials=12)
    assert study.trials[0].params == largest
    assert [t.params for t in study.trials].count(largest) == 1


def test_failed_trials_are_not_repeated() -> None:
    space = _space()
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=EvolutionarySampler(space, population_size=5, seed=0),
    )

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        space.suggest(trial)
        raise RuntimeError("device lost")

    study.optimize(objective, n_trials=12, catch=(RuntimeError,))
    rows = space.from_params([t.params for t in study.trials])
    assert len({row.tobytes() for row in rows}) == 12


def test_trials_that_failed_elsewhere_are_not_repeated(small_space: SearchSpace) -> None:
    sampler = EvolutionarySampler(small_space, population_size=5, seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    failed = small_space.enumerate()[::3]
    distributions = dict(small_space.distributions)
    study.add_trials(
        [
            optuna.create_trial(state=TrialState.FAIL, params=params, distributions=distributions)
            for params in small_space.to_params(failed)
        ]
    )
    study.optimize(_objective(small_space), n_trials=243 - len(failed))
    rows = small_space.from_params([t.params for t in study.trials])
    assert len({row.tobytes() for row in rows}) == 243


def test_constraints_lead_to_feasible_subnets() -> None:
    space = _space()
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=EvolutionarySampler(space, population_size=20, seed=0),
    )
    study.optimize(_objective(space), n_trials=120)
    feasible = [all(c <= 0 for c in t.constraints.values()) for t in study.trials]
    assert sum(feasible[-40:]) > sum(feasible[:40])


def test_continued_search_does_not_start_again() -> None:
    space = _space()
    known = space.sample(20, seed=0)
    evolution = EvolutionarySampler(space, generation_size=Constant(10), seed=1).evolution
    start = {row.tobytes() for row in evolution.fork().ask(10)}
    costs = LayerSum(space, lambda layer, _: layer_macs(layer))(known)
    evolution.tell(known, np.stack([-costs, costs], axis=1), np.zeros(len(known)))
    assert not start & {row.tobytes() for row in evolution.ask(10)}

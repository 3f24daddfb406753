"""Parameters that an objective suggests beside the subnet."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

import optuna_ofa
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import CLAIM
from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SubnetSampler, SurrogateSampler
from optuna_ofa.samplers._beside import trials_with
from optuna_ofa.space import SearchSpace

pytestmark = pytest.mark.usefixtures("quiet_optuna")

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)
BEST_RATE = 1e-2
MAKERS: dict[str, Callable[..., SubnetSampler]] = {
    "evolution": lambda **kw: EvolutionarySampler(SPACE, population_size=4, **kw),
    "nsga2": lambda **kw: NSGAIISampler(SPACE, population_size=4, **kw),
    "surrogate": lambda **kw: SurrogateSampler(SPACE, n_startup_trials=4, n_searched=50, **kw),
}
each_sampler = pytest.mark.parametrize("make", MAKERS.values(), ids=list(MAKERS))


class Calls(BaseSampler):
    """Notes what a sampler is called for, and always returns the lower end."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        raise AssertionError("an independent sampler has no relative search space")

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        raise AssertionError("an independent sampler has no relative search space")

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        self.calls.append(param_name)
        return param_distribution.low

    def before_trial(self, study: Any, trial: Any) -> None:
        self.calls.append("before")

    def after_trial(
        self, study: Any, trial: Any, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self.calls.append(state.name)

    def reseed_rng(self) -> None:
        self.calls.append("reseed")


def loss(trial: optuna.Trial) -> float:
    """Squared decades from the best learning rate, and a subnet that matters less."""
    subnet = SPACE.suggest(trial)
    rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
    return float(np.log10(rate / BEST_RATE) ** 2 + 0.01 * sum(subnet.active))


def distance(sampler: BaseSampler, n_trials: int = 40) -> float:
    """Mean decades between the last twenty learning rates and the best one."""
    study = optuna.create_study(sampler=sampler)
    study.optimize(loss, n_trials=n_trials)
    rates = np.array([trial.params["rate"] for trial in study.trials[-20:]])
    return float(np.abs(np.log10(rates / BEST_RATE)).mean())


def rates(sampler: BaseSampler, n_trials: int = 15) -> list[float]:
    study = optuna.create_study(sampler=sampler)
    study.optimize(loss, n_trials=n_trials)
    return [trial.params["rate"] for trial in study.trials]


class TestSearch:
    def test_a_learning_rate_is_searched(self) -> None:
        seeds = range(3)
        ours = [distance(NSGAIISampler(SPACE, seed=seed)) for seed in seeds]
        drawn = [
            distance(NSGAIISampler(SPACE, seed=s, independent_sampler=RandomSampler(seed=s)))
            for s in seeds
        ]
        assert all(a < 0.6 * b for a, b in zip(ours, drawn, strict=True))

    @each_sampler
    def test_the_same_seed_gives_the_same(self, make: Callable[..., SubnetSampler]) -> None:
        first = rates(make(seed=3))
        assert rates(make(seed=3)) == first
        assert rates(make(seed=4)) != first

    def test_seeds_of_64_bits_are_taken(self) -> None:
        assert rates(NSGAIISampler(SPACE, seed=2**40), 2) == rates(NSGAIISampler(SPACE, seed=0), 2)

    def test_the_default_is_tpe_of_the_seed(self) -> None:
        default = rates(NSGAIISampler(SPACE, seed=5))
        given = rates(NSGAIISampler(SPACE, seed=5, independent_sampler=TPESampler(seed=5)))
        assert given == default

    @pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.ExtrapolationWarning")
    def test_studies_of_the_package_search_it_too(self) -> None:
        """Two objectives, after predictions that have no learning rate."""

        def distance(independent_sampler: BaseSampler | None) -> float:
            sampler = EvolutionarySampler(SPACE, seed=1, independent_sampler=independent_sampler)
            study = optuna_ofa.study(SPACE, sampler=sampler)
            study.search(100)

            def objective(trial: optuna.Trial) -> tuple[float, float]:
                top1, latency = study.problem(trial)
                rate = trial.suggest_float("rate", 1e-5, 1.0, log=True)
                return top1 - 2 * float(np.log10(rate / BEST_RATE) ** 2), latency

            study.optimize(objective, n_trials=40)
            found = np.array([trial.params["rate"] for trial in study.trials[-20:]])
            return float(np.abs(np.log10(found / BEST_RATE)).mean())

        assert distance(None) < 0.7 * distance(RandomSampler(seed=1))


class TestForwarding:
    @each_sampler
    def test_everything_is_forwarded(self, make: Callable[..., SubnetSampler]) -> None:
        independent = Calls()
        sampler = make(seed=0, independent_sampler=independent)
        study = optuna.create_study(sampler=sampler)
        study.optimize(loss, n_trials=1)
        assert study.trials[0].params["rate"] == 1e-5
        assert independent.calls == ["before", "rate", "COMPLETE"]
        sampler.reseed_rng()
        assert independent.calls[-1] == "reseed"

    def test_failed_trials_are_forwarded(self) -> None:
        independent = Calls()
        study = optuna.create_study(sampler=NSGAIISampler(SPACE, independent_sampler=independent))
        study.tell(study.ask(), state=TrialState.FAIL)
        assert independent.calls == ["before", "FAIL"]

    @each_sampler
    def test_a_pickled_sampler_goes_on_as_it_would_have(
        self, make: Callable[..., SubnetSampler]
    ) -> None:
        study = optuna.create_study(sampler=make(seed=0))
        study.optimize(loss, n_trials=12)
        copied = pickle.loads(pickle.dumps(study))
        for each in (study, copied):
            each.optimize(loss, n_trials=3)
        assert [t.params for t in study.trials] == [t.params for t in copied.trials]

    def test_something_else_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`independent_sampler` must be"):
            NSGAIISampler(SPACE, independent_sampler="tpe")  # type: ignore[arg-type]


class TestRelativeSpace:
    def test_names_of_both_kinds_at_once(self) -> None:
        sampler = NSGAIISampler(SPACE, seed=0, independent_sampler=Calls())
        study = optuna.create_study(sampler=sampler)
        study.ask()
        name = next(n for n, d in SPACE.distributions.items() if not d.single())
        space = {name: SPACE.distributions[name], "x": FloatDistribution(2.0, 3.0)}
        found = sampler.sample_relative(study, study.trials[0], space)
        assert list(found) == [name, "x"]
        assert found["x"] == 2.0

    def test_no_subnet_is_claimed_for_other_names(self) -> None:
        sampler = NSGAIISampler(SPACE, seed=0)
        study = optuna.create_study(sampler=sampler)
        study.ask()
        sampler.sample_relative(study, study.trials[0], {"x": FloatDistribution(2.0, 3.0)})
        assert CLAIM not in study.trials[0].system_attrs


class TestView:
    def test_only_trials_with_the_parameter(self) -> None:
        study = optuna.create_study()
        with_rate = optuna.create_trial(
            params={"rate": 0.1}, distributions={"rate": FloatDistribution(0.0, 1.0)}, value=1.0
        )
        study.add_trials([optuna.create_trial(value=0.0), with_rate])
        view = trials_with(study, "rate")
        assert [trial.number for trial in view.trials] == [1]
        assert [t.number for t in view.get_trials(states=[TrialState.COMPLETE])] == [1]
        assert view.get_trials(states=[TrialState.FAIL]) == []
        assert view.directions == study.directions

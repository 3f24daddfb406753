"""Parameters that an objective suggests beside the subnet."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.samplers import (
    BaseSampler,
    BruteForceSampler,
    GridSampler,
    NSGAIISampler as OptunasNSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState

import optuna_ofa
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import CLAIM
from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SubnetSampler, SurrogateSampler
from optuna_ofa.samplers._beside import view_of
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
    """Notes what a sampler is called for, and always returns the lower end, one at a time."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

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


class TestTogether:
    """Samplers that sample several parameters together do so beside a subnet too."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: TPESampler(seed=0, n_startup_trials=4),
            lambda: TPESampler(seed=0, n_startup_trials=4, multivariate=True, group=True),
            lambda: OptunasNSGAIISampler(seed=0, population_size=4),
            lambda: QMCSampler(seed=0),
        ],
        ids=["tpe", "group", "nsga2", "qmc"],
    )
    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    def test_they_search_as_in_a_study_without_subnets(
        self, make: Callable[[], BaseSampler]
    ) -> None:
        def objective(trial: optuna.Trial) -> float:
            x, y = (trial.suggest_float(name, -1, 1) for name in "xy")
            return x**2 + y**2

        def with_subnet(trial: optuna.Trial) -> float:
            SPACE.suggest(trial)
            return objective(trial)

        alone = optuna.create_study(sampler=make())
        alone.optimize(objective, n_trials=15)
        beside = optuna.create_study(
            sampler=NSGAIISampler(SPACE, seed=0, independent_sampler=make())
        )
        beside.optimize(with_subnet, n_trials=15)
        assert [t.values for t in beside.trials] == [t.values for t in alone.trials]
        rows = SPACE.from_params([t.params for t in beside.trials])
        assert len({row.tobytes() for row in rows}) == 15

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    @pytest.mark.parametrize(
        "make",
        [
            lambda: GridSampler({"bits": [4, 6, 8], "opt": ["sgd", None]}, seed=0),
            lambda: BruteForceSampler(seed=0),
        ],
        ids=["grid", "brute force"],
    )
    def test_each_value_of_a_grid_comes_before_the_first_comes_again(
        self, make: Callable[[], BaseSampler]
    ) -> None:
        def objective(trial: optuna.Trial) -> float:
            SPACE.suggest(trial)
            bits = trial.suggest_int("bits", 4, 8, step=2)
            return bits if trial.suggest_categorical("opt", ["sgd", None]) else 0.0

        sampler = NSGAIISampler(SPACE, seed=0, independent_sampler=make())
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=8)
        chosen = [(trial.params["bits"], trial.params["opt"]) for trial in study.trials]
        assert len(set(chosen[:6])) == 6
        assert len(chosen) == 8  # an exhausted grid does not end a search for subnets

    def test_a_parameter_that_is_not_always_there(self) -> None:
        def objective(trial: optuna.Trial) -> float:
            SPACE.suggest(trial)
            x = trial.suggest_float("x", 0, 1)
            return x + (trial.suggest_float("y", 0, 1) if trial.number % 2 else 0.0)

        sampler = NSGAIISampler(
            SPACE, seed=0, independent_sampler=TPESampler(seed=0, n_startup_trials=2)
        )
        study = optuna.create_study(sampler=sampler)
        study.optimize(objective, n_trials=8)
        assert sampler.infer_relative_search_space(study, study.trials[-1]).keys() == {
            "x",
            *(name for name, of in SPACE.distributions.items() if not of.single()),
        }

    def test_nothing_is_reported_as_sampled_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        optuna.logging.enable_propagation()
        try:
            rates(NSGAIISampler(SPACE, seed=0))
        finally:
            optuna.logging.disable_propagation()
        assert "independently" not in caplog.text


class TestPruned:
    """Objectives with steps, such as a training that stops early."""

    @pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
    @pytest.mark.parametrize(
        "pruner",
        [MedianPruner(n_startup_trials=3), HyperbandPruner(1, 4, 2)],
        ids=["median", "hyperband"],
    )
    @each_sampler
    def test_each_subnet_is_proposed_once(
        self, make: Callable[..., SubnetSampler], pruner: BasePruner
    ) -> None:
        def objective(trial: optuna.Trial) -> float:
            value = loss(trial)
            for step in range(4):
                trial.report(value - step, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return value

        study = optuna.create_study(sampler=make(seed=0), pruner=pruner)
        study.optimize(objective, n_trials=20)
        states = [trial.state for trial in study.trials]
        assert 2 < states.count(TrialState.PRUNED) < 18
        assert states.count(TrialState.PRUNED) + states.count(TrialState.COMPLETE) == 20
        rows = SPACE.from_params([trial.params for trial in study.trials])
        assert len({row.tobytes() for row in rows}) == 20


class TestView:
    RATE: ClassVar[dict[str, BaseDistribution]] = {"rate": FloatDistribution(0.0, 1.0)}

    def test_trials_have_nothing_of_their_subnets(self) -> None:
        study = optuna.create_study()
        params = {"rate": 0.1, "kernel": 0.2}
        both = {**self.RATE, "kernel": FloatDistribution(0.0, 1.0)}
        kernel = {"kernel": 0.2}, {"kernel": both["kernel"]}
        for of, distributions in [kernel, (params, both)]:
            trial = optuna.create_trial(params=of, distributions=distributions, value=1.0)
            study.add_trial(trial)
        view = view_of(study, {"kernel"})
        (only,) = view.trials
        assert (only.number, only.params, only.distributions) == (1, {"rate": 0.1}, self.RATE)
        assert view._storage.get_all_trials(view._study_id) == [only]
        assert study.trials[1].params == params
        running = study.ask()
        assert [trial.number for trial in view.trials] == [1, running.number]

    def test_only_trials_with_the_parameter(self) -> None:
        study = optuna.create_study()
        with_rate = optuna.create_trial(params={"rate": 0.1}, distributions=self.RATE, value=1.0)
        study.add_trials([optuna.create_trial(value=0.0), with_rate])
        view = view_of(study, (), only="rate")
        assert [trial.number for trial in view.trials] == [1]
        assert [t.number for t in view.get_trials(states=[TrialState.COMPLETE])] == [1]
        assert view.get_trials(states=[TrialState.FAIL]) == []
        assert view.directions == study.directions

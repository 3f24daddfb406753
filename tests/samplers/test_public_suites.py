"""Optuna's public suites of samplers, complete but for what does not apply.

`BasicSamplerTestCase` and `MultiObjectiveSamplerTestCase` run for every sampler: those of
`EvolutionarySampler` and `SurrogateSampler` are in their own files. `RelativeSamplerTestCase` runs
for all here. `SingleOnlySamplerTestCase` is about samplers that refuse several objectives; ours
take them.
"""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from optuna_ofa.samplers import EvolutionarySampler, NSGAIISampler, SurrogateSampler
from optuna_ofa.space import SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0").restrict(resolution=[192, 224])
SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "evolution": lambda: EvolutionarySampler(SPACE, population_size=4, seed=0),
    "nsga2": lambda: NSGAIISampler(SPACE, population_size=4, seed=0),
    "surrogate": lambda: SurrogateSampler(SPACE, n_startup_trials=4, n_searched=200, seed=0),
}


class TestNSGAIISampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return SAMPLERS["nsga2"]


@pytest.mark.parametrize("name", SAMPLERS)
class TestRelative(RelativeSamplerTestCase):
    @pytest.fixture
    def sampler(self, name: str) -> Callable[[], BaseSampler]:
        return SAMPLERS[name]

    @pytest.mark.parametrize("n_objectives", [1, 2, 3])
    def test_subnets_are_sampled_relatively(
        self, sampler: Callable[[], BaseSampler], n_objectives: int
    ) -> None:
        study = optuna.create_study(directions=["minimize"] * n_objectives, sampler=sampler())
        for _ in range(10):
            trial = study.ask()
            inferred = study.sampler.infer_relative_search_space(study, study.trials[-1])
            assert {*inferred} == {n for n, d in SPACE.distributions.items() if not d.single()}
            for parameter, value in trial.relative_params.items():
                distribution = SPACE.distributions[parameter]
                assert isinstance(distribution, CategoricalDistribution)
                assert type(value) in (int, float)
                assert value in distribution.choices
            SPACE.suggest(trial)
            study.tell(trial, [float(sum(trial.params.values()))] * n_objectives)
        rows = SPACE.from_params([trial.params for trial in study.trials])
        assert len({row.tobytes() for row in rows}) == 10

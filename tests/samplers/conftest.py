"""Spaces and points that several tests of the samplers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from optuna_ofa.samplers import Constant, Evolution, EvolutionarySampler
from optuna_ofa.space import SearchSpace

FAMILIES = ("ofa_mbv3_w1.0", "ofa_mbv3_w1.2", "ofa_proxyless_w1.3", "ofa_resnet50")


@pytest.fixture(params=FAMILIES)
def space(request: pytest.FixtureRequest) -> SearchSpace:
    """The whole space of each family."""
    return SearchSpace(request.param)


@pytest.fixture
def small_space() -> SearchSpace:
    """243 subnets: five stages of three depths."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224, kernel=3, expand=3)


@pytest.fixture
def make_evolution() -> Callable[..., Evolution]:
    """The evolution of the sampler, with generations as large as the population."""

    def make(
        space: SearchSpace, *, population_size: int = 20, n_candidates: int = 500, seed: int = 0
    ) -> Evolution:
        return EvolutionarySampler(
            space,
            population_size=population_size,
            generation_size=Constant(max(population_size, 1)),
            n_candidates=n_candidates,
            seed=seed,
        ).evolution

    return make

"""NSGA-II as published, on subnets."""

from __future__ import annotations

from optuna.samplers import BaseSampler

from optuna_ofa._arguments import Seed, checked
from optuna_ofa.samplers._evolution_sampler import EvolutionarySampler, PopulationSize
from optuna_ofa.samplers.evolution._breeding import Breeding, tournament
from optuna_ofa.samplers.evolution._schedule import Constant
from optuna_ofa.samplers.evolution._survival import rank_and_crowding
from optuna_ofa.space import SearchSpace


class NSGAIISampler(EvolutionarySampler):
    """NSGA-II (Deb et al. 2002) on the canonical subnets of a search space.

    Binary tournaments, uniform crossover, ranks and crowding distance; every child is evaluated.
    It differs from ``optuna.samplers.NSGAIISampler`` in that no subnet is evaluated twice in a
    study and genes of absent blocks are ignored. `EvolutionarySampler` finds better fronts.

    Args:
        space: The search space.
        population_size: Survivors of a generation, and subnets that are proposed in each.
        independent_sampler: As in `EvolutionarySampler`.
        seed: Seed of all random choices.

    Raises:
        InvalidArgumentError: If ``population_size`` is below 2.
    """

    @checked
    def __init__(
        self,
        space: SearchSpace,
        *,
        population_size: PopulationSize = 100,
        independent_sampler: BaseSampler | None = None,
        seed: Seed | None = None,
    ) -> None:
        super().__init__(
            space,
            population_size=population_size,
            generation_size=Constant(population_size),
            breeding=Breeding(mating=tournament),
            survival=rank_and_crowding,
            n_candidates=0,
            ascents=None,
            independent_sampler=independent_sampler,
            seed=seed,
        )

"""The search for Pareto fronts: an Optuna sampler, and the strategies that it is made of."""

from optuna_ofa.samplers._breeding import Breeding
from optuna_ofa.samplers._domination import crowding_distance, nondominated, ranks
from optuna_ofa.samplers._evolution import Evolution
from optuna_ofa.samplers._generations import Constant, GenerationSize, Growing
from optuna_ofa.samplers._mating import Mating, NeighbourMating, tournament
from optuna_ofa.samplers._restarts import Restarts
from optuna_ofa.samplers._sampler import NSGAIISampler
from optuna_ofa.samplers._subnet_sampler import SubnetSampler
from optuna_ofa.samplers._surrogate import RidgeSurrogate, Surrogate, Told
from optuna_ofa.samplers._surrogate_sampler import SurrogateSampler
from optuna_ofa.samplers._survival import CostBins, Survival, rank_and_crowding
from optuna_ofa.samplers._variation import Crossover, Mutation, ResetMutation, UniformCrossover

__all__ = [
    "Breeding",
    "Constant",
    "CostBins",
    "Crossover",
    "Evolution",
    "GenerationSize",
    "Growing",
    "Mating",
    "Mutation",
    "NSGAIISampler",
    "NeighbourMating",
    "ResetMutation",
    "Restarts",
    "RidgeSurrogate",
    "SubnetSampler",
    "Surrogate",
    "SurrogateSampler",
    "Survival",
    "Told",
    "UniformCrossover",
    "crowding_distance",
    "nondominated",
    "rank_and_crowding",
    "ranks",
    "tournament",
]

"""The search for Pareto fronts: an Optuna sampler, and the strategies that it is made of."""

from optuna_ofa.samplers._evolution_sampler import NSGAIISampler
from optuna_ofa.samplers._learning_sampler import LearningSampler as LearningSampler
from optuna_ofa.samplers._predictor_estimates import PredictorSurrogate as PredictorSurrogate
from optuna_ofa.samplers._subnet_sampler import SubnetSampler
from optuna_ofa.samplers._surrogate_sampler import SurrogateSampler
from optuna_ofa.samplers.evolution._breeding import Breeding, Mating, NeighbourMating, tournament
from optuna_ofa.samplers.evolution._estimates import RidgeSurrogate, Surrogate, Told
from optuna_ofa.samplers.evolution._evolution import Evolution
from optuna_ofa.samplers.evolution._schedule import Constant, GenerationSize, Growing, Restarts
from optuna_ofa.samplers.evolution._survival import CostBins, Survival, rank_and_crowding
from optuna_ofa.samplers.evolution._variation import (
    Crossover,
    Mutation,
    ResetMutation,
    UniformCrossover,
)
from optuna_ofa.samplers.models._models import Measurements as Measurements

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
    "rank_and_crowding",
    "tournament",
]

"""The search for Pareto fronts: Optuna samplers, and the strategies that they are built from."""

from optuna_ofa.samplers._claims import row_of as row_of
from optuna_ofa.samplers._evolution_sampler import EvolutionarySampler
from optuna_ofa.samplers._nsgaii_sampler import NSGAIISampler
from optuna_ofa.samplers._predictor_estimates import PredictorEstimator as PredictorEstimator
from optuna_ofa.samplers._subnet_sampler import NothingLeftError as NothingLeftError, SubnetSampler
from optuna_ofa.samplers._surrogate_sampler import (
    N_STARTUP_TRIALS as N_STARTUP_TRIALS,
    SurrogateSampler,
)
from optuna_ofa.samplers.evolution._ascents import Ascents
from optuna_ofa.samplers.evolution._breeding import (
    Breeding,
    Mating as Mating,
    NeighbourMating as NeighbourMating,
    tournament as tournament,
)
from optuna_ofa.samplers.evolution._estimates import (
    Estimator as Estimator,
    RidgeEstimator as RidgeEstimator,
    Scored as Scored,
)
from optuna_ofa.samplers.evolution._evolution import Evolution
from optuna_ofa.samplers.evolution._schedule import (
    Constant,
    GenerationSize as GenerationSize,
    Growing,
)
from optuna_ofa.samplers.evolution._survival import (
    CostBins,
    Survival as Survival,
    rank_and_crowding as rank_and_crowding,
)
from optuna_ofa.samplers.evolution._variation import (
    Crossover as Crossover,
    Mutation as Mutation,
    ResetMutation as ResetMutation,
    UniformCrossover as UniformCrossover,
)
from optuna_ofa.samplers.models._improvement import pick_along as pick_along
from optuna_ofa.samplers.models._quantity import (
    LearnedQuantity as LearnedQuantity,
    QuantityLearner as QuantityLearner,
)

__all__ = [
    "Ascents",
    "Breeding",
    "Constant",
    "CostBins",
    "Evolution",
    "EvolutionarySampler",
    "Growing",
    "NSGAIISampler",
    "SubnetSampler",
    "SurrogateSampler",
]

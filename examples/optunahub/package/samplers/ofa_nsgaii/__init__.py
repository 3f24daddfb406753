"""NSGA-II for the subnets of Once-for-All supernets; the code is in the package optuna-ofa."""

from optuna_ofa import SearchSpace
from optuna_ofa.samplers import EvolutionarySampler
from optuna_ofa.samplers import NSGAIISampler


__all__ = ["EvolutionarySampler", "NSGAIISampler", "SearchSpace"]

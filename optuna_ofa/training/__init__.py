"""Training supernets: one loop, and the recipes that say which subnets run in a step."""

from optuna_ofa.training._fine_tuning import FineTuning
from optuna_ofa.training._history import LogEntry, TrainingHistory
from optuna_ofa.training._progressive_shrinking import ProgressiveShrinking
from optuna_ofa.training._recipe import Phase, Recipe, Run
from optuna_ofa.training._sandwich import Sandwich
from optuna_ofa.training._settings import TrainingSettings
from optuna_ofa.training._sort_channels import sort_channels
from optuna_ofa.training._train import train

__all__ = [
    "FineTuning",
    "LogEntry",
    "Phase",
    "ProgressiveShrinking",
    "Recipe",
    "Run",
    "Sandwich",
    "TrainingHistory",
    "TrainingSettings",
    "sort_channels",
    "train",
]

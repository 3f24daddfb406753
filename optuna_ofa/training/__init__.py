"""Training supernets: one training loop, and recipes that choose the subnets of each step."""

from optuna_ofa.training._callbacks import TrainingStep as TrainingStep
from optuna_ofa.training._fine_tuning import FineTuning
from optuna_ofa.training._history import (
    LogEntry as LogEntry,
    TrainingHistory as TrainingHistory,
    followed_subnets as followed_subnets,
)
from optuna_ofa.training._progressive_shrinking import ProgressiveShrinking
from optuna_ofa.training._random import seeded as seeded
from optuna_ofa.training._recipe import Phase, Recipe, Run
from optuna_ofa.training._reorder import (
    projection_of as projection_of,
    reorder_middle as reorder_middle,
)
from optuna_ofa.training._sandwich import Sandwich
from optuna_ofa.training._settings import TrainingSettings
from optuna_ofa.training._sort_channels import (
    sort_channels as sort_channels,
    sort_shared as sort_shared,
)
from optuna_ofa.training._train import train

__all__ = [
    "FineTuning",
    "Phase",
    "ProgressiveShrinking",
    "Recipe",
    "Run",
    "Sandwich",
    "TrainingSettings",
    "train",
]

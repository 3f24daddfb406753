"""Honest accuracy: statistics of batch normalisation set right, then top-1 and top-5."""

from optuna_ofa.evaluation._accuracies import Accuracies
from optuna_ofa.evaluation._calibration import Calibration as Calibration
from optuna_ofa.evaluation._evaluate import TOGETHER as TOGETHER, evaluate
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader as Loader
from optuna_ofa.evaluation._recalibrate import recalibrate

__all__ = ["Accuracies", "evaluate", "recalibrate", "weights_hash"]

"""Evaluating accuracies: batch-normalisation statistics computed anew, then top-1 and top-5."""

from optuna_ofa.evaluation._accuracies import Accuracies as Accuracies
from optuna_ofa.evaluation._calibration import Calibration as Calibration
from optuna_ofa.evaluation._evaluate import SUBNETS_AT_ONCE as SUBNETS_AT_ONCE, evaluate
from optuna_ofa.evaluation._identity import weights_hash as weights_hash
from optuna_ofa.evaluation._images import Loader as Loader
from optuna_ofa.evaluation._recalibrate import recalibrate
from optuna_ofa.evaluation._settings import EvaluationSettings

__all__ = ["EvaluationSettings", "evaluate", "recalibrate"]

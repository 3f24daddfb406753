"""What a subnet is predicted to do: accuracy, latency, and exact costs."""

from optuna_ofa.predictors._accuracy import AccuracyPredictor
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.predictors._cost import CostPredictor
from optuna_ofa.predictors._latency_predictor import LatencyPredictor
from optuna_ofa.predictors._latency_table import LatencyTable
from optuna_ofa.predictors._table_files import Entry

__all__ = [
    "AccuracyPredictor",
    "CostPredictor",
    "Entry",
    "LatencyPredictor",
    "LatencyTable",
    "Predictor",
]

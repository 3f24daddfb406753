"""What a subnet is predicted to do: accuracy, latency, and exact costs."""

from optuna_ofa.predictors._accuracy import AccuracyPredictor
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.predictors._confidence_bound import ConfidenceBound
from optuna_ofa.predictors._cost import COSTS, CostPredictor
from optuna_ofa.predictors._latency_predictor import LatencyPredictor
from optuna_ofa.predictors._latency_table import LatencyTable
from optuna_ofa.predictors._network_latency import NetworkLatencyPredictor
from optuna_ofa.predictors._table_files import Entry
from optuna_ofa.predictors._table_tools import (
    EntryDifference,
    diff_tables,
    export_yaml,
    merge_tables,
)

__all__ = [
    "COSTS",
    "AccuracyPredictor",
    "ConfidenceBound",
    "CostPredictor",
    "Entry",
    "EntryDifference",
    "LatencyPredictor",
    "LatencyTable",
    "NetworkLatencyPredictor",
    "Predictor",
    "diff_tables",
    "export_yaml",
    "merge_tables",
]

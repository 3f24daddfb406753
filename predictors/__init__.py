"""Predictors of a subnet's accuracy, latency and exact costs."""

from optuna_ofa.predictors._base import Direction as Direction, Predictor
from optuna_ofa.predictors._confidence_bound import ConfidenceBound
from optuna_ofa.predictors._cost import COSTS as COSTS, EXACT_COSTS as EXACT_COSTS, CostPredictor
from optuna_ofa.predictors._errors import (
    PredictionErrors,
    kendall_tau as kendall_tau,
    prediction_errors as prediction_errors,
)
from optuna_ofa.predictors._function import (
    Function as Function,
    FunctionPredictor as FunctionPredictor,
    PredictorSource as PredictorSource,
    as_predictor as as_predictor,
    name_of as name_of,
)
from optuna_ofa.predictors._missing import MissingPredictor as MissingPredictor
from optuna_ofa.predictors._remembered import SharedPredictor as SharedPredictor
from optuna_ofa.predictors._rows import MeasuredRows as MeasuredRows, averaged as averaged
from optuna_ofa.predictors._sound import require_sound as require_sound
from optuna_ofa.predictors._terms import LogCurve as LogCurve, Terms as Terms
from optuna_ofa.predictors.accuracy._predictor import AccuracyPredictor
from optuna_ofa.predictors.accuracy._prior import PriorPredictor as PriorPredictor
from optuna_ofa.predictors.gaussian_process._corrected import CorrectedProcess as CorrectedProcess
from optuna_ofa.predictors.gaussian_process._expected import Expected as Expected
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess as GaussianProcess
from optuna_ofa.predictors.latency._conditions import (
    Conditions as Conditions,
    differences as differences,
)
from optuna_ofa.predictors.latency._correction import fit_correction as fit_correction
from optuna_ofa.predictors.latency._dialects import LAYERS as LAYERS
from optuna_ofa.predictors.latency._entries import Entry
from optuna_ofa.predictors.latency._interpolation import LINEAR_IN_AREA as LINEAR_IN_AREA
from optuna_ofa.predictors.latency._merge import merge_tables
from optuna_ofa.predictors.latency._network import NetworkLatencyPredictor
from optuna_ofa.predictors.latency._own_terms import OwnTerms as OwnTerms
from optuna_ofa.predictors.latency._predictor import LatencyPredictor
from optuna_ofa.predictors.latency._recalibrated import (
    LEAST_MEASURED as LEAST_MEASURED,
    facts_of as facts_of,
    lowest_of as lowest_of,
    recalibrated as recalibrated,
)
from optuna_ofa.predictors.latency._table import LatencyTable

__all__ = [
    "AccuracyPredictor",
    "ConfidenceBound",
    "CostPredictor",
    "Entry",
    "LatencyPredictor",
    "LatencyTable",
    "NetworkLatencyPredictor",
    "PredictionErrors",
    "Predictor",
    "merge_tables",
]

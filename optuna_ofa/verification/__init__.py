"""Predictions against what is measured of the same subnets."""

from optuna_ofa.verification._accuracy_meter import AccuracyMeter
from optuna_ofa.verification._errors_of import MetricErrors
from optuna_ofa.verification._function_meter import FunctionMeter
from optuna_ofa.verification._latency_meter import LatencyMeter
from optuna_ofa.verification._meter import Meter, Readings
from optuna_ofa.verification._point import VerifiedPoint
from optuna_ofa.verification._verification import Verification

__all__ = [
    "AccuracyMeter",
    "FunctionMeter",
    "LatencyMeter",
    "Meter",
    "MetricErrors",
    "Readings",
    "Verification",
    "VerifiedPoint",
]

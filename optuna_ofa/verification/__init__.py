"""Predictions against measurements of the same subnets."""

from optuna_ofa.verification._accuracy_meter import AccuracyMeter
from optuna_ofa.verification._function_meter import FunctionMeter as FunctionMeter
from optuna_ofa.verification._images import images_of as images_of
from optuna_ofa.verification._latency_meter import LatencyMeter
from optuna_ofa.verification._meter import Meter, Readings
from optuna_ofa.verification._micro_meter import MicroMeter, MicroMetric as MicroMetric
from optuna_ofa.verification._precisions import require_same_networks as require_same_networks
from optuna_ofa.verification._verification import Verification
from optuna_ofa.verification._verified_point import VerifiedPoint as VerifiedPoint
from optuna_ofa.verification._verify import (
    Measure as Measure,
    Points as Points,
    Watch as Watch,
    Work as Work,
    exact_metrics as exact_metrics,
    meters_of as meters_of,
    verify as verify,
    warn_failures as warn_failures,
)

__all__ = ["AccuracyMeter", "LatencyMeter", "Meter", "MicroMeter", "Readings", "Verification"]

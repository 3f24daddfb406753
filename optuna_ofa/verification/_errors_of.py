"""Errors of the predictions of one metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optuna_ofa.profiling import kendall_tau
from optuna_ofa.verification._point import VerifiedPoint


class MetricErrors(NamedTuple):
    """Predictions of one metric against measurements.

    Args:
        metric: The metric.
        n: Number of subnets that were measured.
        mape: Mean absolute error relative to the measurement, in percent.
        rmse: Root mean square error in the metric's unit.
        bias: Mean error in the metric's unit; positive where predictions are too high.
        kendall: Kendall's tau-b; NaN for fewer than two different values.
        n_known: How many predictions have a standard deviation.
        n_exploited: How many of these have a measurement that is worse than their 90 % interval;
            chance alone makes it 5 %.
    """

    metric: str
    n: int
    mape: float
    rmse: float
    bias: float
    kendall: float
    n_known: int
    n_exploited: int


def errors_of(metric: str, points: Sequence[VerifiedPoint]) -> MetricErrors:
    """The errors over those points that have the metric; figures are NaN where none has."""
    points = [p for p in points if metric in p.measured]
    if not points:
        nan = float("nan")
        return MetricErrors(metric, 0, nan, nan, nan, nan, 0, 0)
    predicted = np.array([p.predicted[metric] for p in points])
    measured = np.array([p.measured[metric] for p in points])
    errors = predicted - measured
    with np.errstate(divide="ignore", invalid="ignore"):
        mape = float(np.mean(np.abs(errors / measured)) * 100)
    known = [x for x in (p.exploited(metric) for p in points) if x is not None]
    return MetricErrors(
        metric, len(points), mape, float(np.sqrt(np.mean(errors**2))), float(errors.mean()),
        kendall_tau(predicted, measured), len(known), sum(known),
    )  # fmt: skip

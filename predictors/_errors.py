"""Errors of predictions against measurements."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class PredictionErrors(NamedTuple):
    """The errors of predictions against measurements.

    An error is the measurement minus the prediction, so it is negative if the measurement is lower
    than the prediction: ``8.45 -> 2.27`` is -6.18.

    Args:
        name: The predictor, or the metric.
        n: Number of subnets.
        mape: Mean absolute error relative to the measurement, in percent.
        within_5: Share of subnets with a relative error of at most 5 percent, in percent.
        within_10: The same with 10 percent.
        mpe: Mean error relative to the measurement, in percent; negative where predictions are
            too high.
        rmse: Root mean square error in the metric's unit.
        mean_error: Mean error in the metric's unit; negative where predictions are too high.
        kendall: Kendall's tau-b; NaN for fewer than two different values.
        spearman: Spearman's rank correlation; NaN for fewer than two different values.
    """

    name: str
    n: int
    mape: float
    within_5: float
    within_10: float
    mpe: float
    rmse: float
    mean_error: float
    kendall: float
    spearman: float


def prediction_errors(name: str, predicted: Array, measured: Array) -> PredictionErrors:
    """Compare ``(n,)`` predictions with ``(n,)`` measurements; all figures are NaN if empty."""
    n = len(measured)
    if not n:
        return PredictionErrors(name, 0, *[math.nan] * 8)
    errors = measured - predicted
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = errors / measured * 100
    size = np.abs(relative)
    return PredictionErrors(
        name,
        n,
        mape=float(size.mean()),
        within_5=float(np.mean(size <= 5) * 100),
        within_10=float(np.mean(size <= 10) * 100),
        mpe=float(relative.mean()),
        rmse=float(np.sqrt(np.mean(errors**2))),
        mean_error=float(errors.mean()),
        kendall=kendall_tau(predicted, measured),
        spearman=spearman(predicted, measured),
    )


def kendall_tau(a: Array, b: Array) -> float:
    """Return Kendall's tau-b of two vectors; NaN if one is constant."""
    signs_a, signs_b = (np.sign(v[:, None] - v) for v in (a, b))
    ties = np.sqrt(np.abs(signs_a).sum() * np.abs(signs_b).sum())
    return float((signs_a * signs_b).sum() / ties) if ties else float("nan")


def spearman(a: Array, b: Array) -> float:
    """Return Spearman's rank correlation; ties share their mean rank, NaN if one is constant."""
    ranks = [_ranks(v) for v in (a, b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return float("nan")
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def _ranks(values: Array) -> Array:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])

"""How far predictions are from measurements."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class PredictionErrors(NamedTuple):
    """Predictions against measurements; errors relative to the measurement, in percent.

    Args:
        name: What predicts.
        n: Number of subnets.
        mape: Mean absolute error.
        within_5: Share of subnets with an error of at most 5 percent, in percent.
        within_10: The same for 10 percent.
        bias: Mean error; positive where predictions are too high.
        kendall: Kendall's tau-b.
        spearman: Spearman's rank correlation.
    """

    name: str
    n: int
    mape: float
    within_5: float
    within_10: float
    bias: float
    kendall: float
    spearman: float


def prediction_errors(name: str, predicted: Array, measured: Array) -> PredictionErrors:
    """Compare ``(n,)`` predictions with ``(n,)`` measurements."""
    errors = (predicted - measured) / measured * 100
    size = np.abs(errors)
    return PredictionErrors(
        name,
        len(measured),
        float(size.mean()),
        float(np.mean(size <= 5) * 100),
        float(np.mean(size <= 10) * 100),
        float(errors.mean()),
        kendall_tau(predicted, measured),
        spearman(predicted, measured),
    )


def kendall_tau(a: Array, b: Array) -> float:
    """Kendall's tau-b of two vectors; NaN where one is constant."""
    signs_a, signs_b = (np.sign(v[:, None] - v) for v in (a, b))
    ties = np.sqrt(np.abs(signs_a).sum() * np.abs(signs_b).sum())
    return float((signs_a * signs_b).sum() / ties) if ties else float("nan")


def spearman(a: Array, b: Array) -> float:
    """Spearman's rank correlation; ties share their mean rank, NaN where one is constant."""
    ranks = [_ranks(v) for v in (a, b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return float("nan")
    return float(np.asarray(np.corrcoef(ranks))[0, 1])


def _ranks(values: Array) -> Array:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[which])

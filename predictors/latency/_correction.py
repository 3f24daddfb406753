"""Correcting predicted latencies by a few measured ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors.latency._ridge import fit_relative_ridge

Array = NDArray[np.float64]
# an offset needs some measurements, and has to be worth it
_LEAST_FOR_OFFSET = 6
_TOLERANCE = 1.05


class Correction(NamedTuple):
    """A line from predicted to measured latencies.

    Args:
        scale: Factor of a prediction.
        offset_ms: What is added to it.
        mape: Mean absolute error in percent of measurements that the line was not fitted to: each
            is left out once. NaN for a single one.
        rmse: Root mean square of the same relative errors, as a share.
        n: Number of measurements.
    """

    scale: float
    offset_ms: float
    mape: float
    rmse: float
    n: int

    def apply(self, predicted: Array) -> Array:
        """Return ``(n,)`` corrected milliseconds."""
        return self.offset_ms + self.scale * predicted

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "n_subnets": self.n,
            "scale": round(self.scale, 6),
            "offset_ms": round(self.offset_ms, 6),
            "mape_left_out": None if np.isnan(self.mape) else round(self.mape, 3),
        }


def fit_correction(predicted: Array, measured: Array, *, lowest: float) -> Correction:
    """Fit a scale, or from 6 measurements on a scale and an offset where that is better.

    The scale alone is the median of the ratios, which a spike among the measurements does not
    move. The offset is kept where it predicts left-out measurements better by 5 percent or more,
    and leaves all latencies positive.

    Args:
        predicted: ``(n,)`` milliseconds.
        measured: ``(n,)`` milliseconds of the same subnets.
        lowest: The lowest prediction of the space.
    """
    errors = np.full(len(measured), np.nan)
    for i in range(len(measured) if len(measured) > 1 else 0):
        kept = np.arange(len(measured)) != i
        scale, offset = _line(predicted[kept], measured[kept], lowest)
        errors[i] = (offset + scale * predicted[i]) / measured[i] - 1
    scale, offset = _line(predicted, measured, lowest)
    return Correction(
        scale,
        offset,
        float(np.abs(errors).mean() * 100),
        float(np.sqrt(np.mean(errors**2))),
        len(measured),
    )


def _line(predicted: Array, measured: Array, lowest: float) -> tuple[float, float]:
    """Return the scale and the offset."""
    ratios = measured / predicted
    scale = float(np.median(ratios))
    if len(measured) < _LEAST_FOR_OFFSET or np.ptp(predicted) == 0:
        return scale, 0.0
    alone = np.abs(_medians_without(ratios) / ratios - 1).mean()
    x = np.stack([np.ones(len(predicted)), predicted], axis=1)
    model = fit_relative_ridge(x, measured, [True, True])
    rows = x / measured[:, None]
    hat = rows @ np.linalg.pinv(rows)
    left_out = (1 - hat.sum(axis=1)) / np.maximum(1 - np.diag(hat), 1e-9)
    offset, slope = model.weights.tolist()
    sound = slope > 0 and offset + slope * min(lowest, predicted.min()) > 0
    if sound and np.abs(left_out).mean() * _TOLERANCE < alone:
        return slope, offset
    return scale, 0.0


def _medians_without(values: Array) -> Array:
    """Return the median of all other values for each, ``(n,)``."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=int)
    rank[order] = np.arange(len(values))
    n, ascending = len(values) - 1, values[order]
    ends = [ascending[k + (rank <= k)] for k in ((n - 1) // 2, n // 2)]
    return np.asarray(np.mean(ends, axis=0))

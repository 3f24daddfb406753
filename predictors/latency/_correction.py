"""Correcting predicted latencies with a few measured ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors.latency._ridge import fit_relative_ridge

Array = NDArray[np.float64]
# an offset needs enough measurements, and must improve the fit
_LEAST_FOR_OFFSET = 6
_TOLERANCE = 1.05


class Correction(NamedTuple):
    """A line from predicted to measured latencies.

    Args:
        scale: Factor that a prediction is multiplied by.
        offset_ms: Milliseconds that are then added.
        mape: Mean absolute error in percent with each measurement left out of the fit once. NaN
            for a single measurement.
        rmse: Root mean square of the same relative errors, as a fraction.
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
        """Return it JSON-ready."""
        return {
            "n_subnets": self.n,
            "scale": round(self.scale, 6),
            "offset_ms": round(self.offset_ms, 6),
            "mape_left_out": None if np.isnan(self.mape) else round(self.mape, 3),
        }


def fit_correction(predicted: Array, measured: Array, *, lowest: float) -> Correction:
    """Fit a scale or, with at least 6 measurements and if it is better, a scale and an offset.

    Without an offset, the scale is the median of the ratios, which is robust to outliers among the
    measurements. The offset is kept if it predicts left-out measurements better by 5 percent or
    more, and all latencies stay positive.

    Args:
        predicted: ``(n,)`` milliseconds.
        measured: ``(n,)`` milliseconds of the same subnets.
        lowest: The lowest prediction in the space.
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
    """Return, for each value, the median of all others, ``(n,)``."""
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), dtype=int)
    rank[order] = np.arange(len(values))
    n, ascending = len(values) - 1, values[order]
    ends = [ascending[k + (rank <= k)] for k in ((n - 1) // 2, n // 2)]
    return np.asarray(np.mean(ends, axis=0))

"""The check of whole columns of measurements, each row of which is possible."""

from __future__ import annotations

from os import PathLike

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import first_unlike
from optuna_ofa.exceptions import FormatError
from optuna_ofa.space.formats._measured_csv import MeasuredRow

Array = NDArray[np.float64]
# Latencies vary with the multiply-adds. Accuracies vary by a tenth of that, or less.
_LEAST_OF_MACS = 0.2
# a row is exchanged if its accuracy is this far from the others and its latency this near to them
_FAR_POINTS, _NEAR_POINTS = 20, 10
_LEAST_ROWS = 4


def require_columns(numbers: Array, path: str | PathLike[str]) -> None:
    """Refuse measurements in a column that they probably do not belong to.

    Args:
        numbers: ``(n, 4)`` accuracies, multiply-adds, parameters and latencies, 0 where unknown.
        path: The file, for messages.

    Raises:
        FormatError: If a value is far from the median of its column, or accuracies and latencies
            are probably exchanged, in some rows or in all.
    """
    for metric, column in zip(MeasuredRow._fields[1:], numbers.T, strict=True):
        unlike = first_unlike(column)
        if unlike is not None:
            raise FormatError(
                f"`path` must have {metric} like those of other rows, but row {unlike + 1} of "
                f"{path} has {column[unlike]:g} where {np.median(column[column > 0]):g} is usual."
            )
    top1, n_macs, _, latency_ms = numbers.T
    if (
        _in_some_rows(top1, latency_ms)
        or _in_all_rows(top1, n_macs, latency_ms)
        or _in_single_rows(top1, latency_ms)
    ):
        raise FormatError(
            f"`path` must have accuracies and latencies in their columns, but those of {path} are "
            f"probably exchanged."
        )


def _in_some_rows(top1: Array, latency_ms: Array) -> bool:
    """Return whether rows have one of both, some the one and some the other."""
    has_top1, has_latency = top1 > 0, latency_ms > 0
    return bool(has_top1.any() and has_latency.any() and not (has_top1 & has_latency).any())


def _in_single_rows(top1: Array, latency_ms: Array) -> bool:
    """Return whether a row with both fits the others only if they are exchanged."""
    both = (top1 > 0) & (latency_ms > 0)
    if both.sum() < _LEAST_ROWS:
        return False
    a, b = top1[both], latency_ms[both]
    usual_a, usual_b = np.median(a), np.median(b)
    is_far = (np.abs(a - usual_a) > _FAR_POINTS) & (np.abs(b - usual_a) < _NEAR_POINTS)
    return bool((is_far & (np.abs(a - usual_b) < np.abs(b - usual_b))).any())


def _in_all_rows(top1: Array, n_macs: Array, latency_ms: Array) -> bool:
    """Return whether latencies could be accuracies, and vary as little as these."""
    if not len(latency_ms) or latency_ms.min() == 0 or latency_ms.max() > 100:
        return False
    spread = _spread(latency_ms)
    return spread < _LEAST_OF_MACS * _spread(n_macs) and (not top1.any() or spread < _spread(top1))


def _spread(values: Array) -> float:
    """Return the range relative to the least value that is not 0."""
    known = values[values > 0]
    return float(np.ptp(known) / known.min()) if len(known) else 0.0

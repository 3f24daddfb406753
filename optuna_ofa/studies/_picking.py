"""Which point of a front to take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np

from optuna_ofa._errors import EmptyFrontError, InvalidArgumentError
from optuna_ofa.studies._metrics import METRICS

if TYPE_CHECKING:
    from optuna_ofa.studies._front import Front, FrontPoint


def find_knee(points: Sequence[FrontPoint], objectives: Sequence[str]) -> FrontPoint:
    """See `Front.knee`."""
    points = [p for p in points if all(math.isfinite(p.values[name]) for name in objectives)]
    if not points:
        raise EmptyFrontError("The front has no point with finite values, so it has no knee.")
    signs = [-1.0 if METRICS[name].maximize else 1.0 for name in objectives]
    costs = np.array([[p.values[name] for name in objectives] for p in points]) * signs
    costs -= costs.min(axis=0)
    ranges = costs.max(axis=0)
    # the chord of normalised costs is where their sum is 1, and the ideal where it is 0
    sums = (costs / np.where(ranges > 0, ranges, 1.0)).sum(axis=1)
    return points[int(sums.argmin())]


def find_modes(front: Front, limits: Mapping[str, float]) -> dict[str, FrontPoint]:
    """See `Front.modes`."""
    if not limits:
        raise InvalidArgumentError("`limits` must have at least one mode, but is empty.")
    for mode, limit in limits.items():
        is_number = isinstance(limit, Real) and not isinstance(limit, bool)
        if not is_number or not limit > 0:
            raise InvalidArgumentError(
                "`limits` must have positive latencies in milliseconds, but got "
                f"{limit!r} for {mode!r}."
            )
    modes = {}
    for mode, limit in limits.items():
        try:
            modes[mode] = front.best(latency_ms=limit)
        except EmptyFrontError as error:
            raise EmptyFrontError(f"There is no subnet for mode {mode!r}: {error}") from error
    return modes

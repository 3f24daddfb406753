"""The predictions and the measurements of one subnet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna_ofa.problem import METRICS, Metric
from optuna_ofa.space import Subnet

# 90 % of a normal distribution lie within this many standard deviations of its mean
Z90 = 1.6448536269514722


@dataclass(frozen=True)
class VerifiedPoint:
    """The predictions and the measurements of one subnet.

    Args:
        subnet: The subnet.
        predicted: Prediction of each metric, in its unit, at the time of the measurement.
        predicted_std: Standard deviation of those predictions that have one.
        measured: Measurements, and exact costs.
        measured_std: Standard deviation of those measurements that have one.
        trial_number: Number of its trial of kind ``"measured"``; None where not all objectives
            are measured.
        measured_by: Everything except the subnet that a measurement depends on, by metric, where
            known.
        on_fitted: Measurements on the images that the predictor was fitted on, of those metrics
            that were measured there too.
        n_images: Number of images of those metrics that were measured on images.
        extrapolated: Metrics that are extrapolated, as in `optuna_ofa.fronts.FrontPoint`: their
            predictor was not fitted on anything near the subnet.
        units: The metrics by name, with their units and directions.
    """

    subnet: Subnet
    predicted: Mapping[str, float]
    predicted_std: Mapping[str, float]
    measured: Mapping[str, float]
    measured_std: Mapping[str, float]
    trial_number: int | None
    measured_by: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on_fitted: Mapping[str, float] = field(default_factory=dict)
    n_images: Mapping[str, int] = field(default_factory=dict)
    extrapolated: tuple[str, ...] | None = ()
    units: Mapping[str, Metric] = field(default_factory=lambda: METRICS, repr=False, compare=False)

    def error(self, metric: str) -> float:
        """Measured minus predicted: negative where less was measured than predicted."""
        return self.measured[metric] - self.predicted[metric]

    def is_extrapolated(self, metric: str) -> bool:
        """Return whether the prediction of a metric is known to be extrapolated."""
        return metric in (self.extrapolated or ())

    def overestimated(self, metric: str) -> bool | None:
        """Return whether the measurement is worse than the 90 % interval of the prediction.

        The interval has the standard deviation of the prediction and, where it is known, that of
        the measurement. None where the prediction has none.
        """
        if metric not in self.predicted_std:
            return None
        worse_by = self.units[metric].sign * self.error(metric)
        std = math.hypot(self.predicted_std[metric], self.measured_std.get(metric, 0.0))
        return worse_by > Z90 * std

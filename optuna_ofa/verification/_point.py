"""One subnet, predicted and measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optuna_ofa.space import Subnet
from optuna_ofa.studies._metrics import METRICS

# 90 % of a normal distribution lie within so many standard deviations of its mean
Z90 = 1.6448536269514722


@dataclass(frozen=True)
class VerifiedPoint:
    """What was predicted and what was measured of one subnet.

    Args:
        subnet: The subnet.
        predicted: What was predicted of each metric, in its unit, when the subnet was measured.
        predicted_std: Standard deviation of those predictions that have one.
        measured: What was measured, and exact costs.
        measured_std: Standard deviation of those measurements that have one.
        trial_number: Number of its trial of kind ``"measured"``; None where not all objectives
            are measured.
    """

    subnet: Subnet
    predicted: Mapping[str, float]
    predicted_std: Mapping[str, float]
    measured: Mapping[str, float]
    measured_std: Mapping[str, float]
    trial_number: int | None

    def error(self, metric: str) -> float:
        """Prediction minus measurement: positive where it was too high."""
        return self.predicted[metric] - self.measured[metric]

    def exploited(self, metric: str) -> bool | None:
        """Whether the measurement is worse than the 90 % interval of the prediction.

        None where the prediction has no standard deviation.
        """
        if metric not in self.predicted_std:
            return None
        too_good = self.error(metric) if METRICS[metric].maximize else -self.error(metric)
        return too_good > Z90 * self.predicted_std[metric]

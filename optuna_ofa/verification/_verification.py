"""A verified front as one value."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from optuna_ofa.fronts import Front
from optuna_ofa.predictors import PredictionErrors, prediction_errors
from optuna_ofa.problem import METRICS, Metric, significant
from optuna_ofa.space import Subnet
from optuna_ofa.verification._images import Images, images_of

_WORDS = {True: "overestimated", False: "", None: "unknown"}

_CONDITIONS = ("processor", "runtime", "device", "precision", "threads", "batch")


@dataclass(frozen=True)
class Verification:
    """Predicted beside measured; made by `SubnetStudy.verify`.

    Args:
        metrics: What was measured; exact costs are not among them.
        points: The subnets, in the order of the front that they were chosen from.
        front: The front of all measured subnets of the study; empty where none has all
            objectives and satisfies the constraints.
        failures: Why a subnet could not be measured.
        fitted_on: The images that the predictor of a metric was fitted on, where they are known.
        predicted_for: What the predictor of a metric says of itself: runtime, settings, processor.
        units: The metrics by name, with their units and directions.
    """

    metrics: tuple[str, ...]
    points: tuple[VerifiedPoint, ...]
    front: Front
    failures: Mapping[Subnet, str] = field(default_factory=dict)
    fitted_on: Mapping[str, Images | None] = field(default_factory=dict)
    predicted_for: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    units: Mapping[str, Metric] = field(default_factory=lambda: METRICS, repr=False)

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[VerifiedPoint]:
        return iter(self.points)

    @cached_property
    def errors(self) -> dict[str, PredictionErrors]:
        """The errors of each metric over the points where it was measured."""
        return {metric: self._errors_of(metric) for metric in self.metrics}

    @cached_property
    def errors_on_fitted(self) -> dict[str, PredictionErrors]:
        """The errors on the images that a predictor was fitted on, where those were measured."""
        pairs = {
            metric: [(p.predicted[metric], p.on_fitted[metric]) for p in self.points]
            for metric in self.metrics
            if self.points and all(metric in p.on_fitted for p in self.points)
        }
        return {m: prediction_errors(m, *np.array(of, float).T) for m, of in pairs.items()}

    def _errors_of(self, metric: str) -> PredictionErrors:
        points = [p for p in self.points if metric in p.measured]
        predicted = np.array([p.predicted[metric] for p in points])
        measured = np.array([p.measured[metric] for p in points])
        return prediction_errors(metric, predicted, measured)

    def measured_on(self, metric: str) -> Images | None:
        """Return the images that a metric was measured on; None where they are not known."""
        found = {images_of(p.measured_by[metric]) for p in self.points if metric in p.measured_by}
        return found.pop() if len(found) == 1 else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the errors hold beside those of the predictors, in sentences."""
        return tuple(note for m in self.metrics for note in self._notes_of(m))

    def _notes_of(self, metric: str) -> Iterator[str]:
        fitted, measured = self.fitted_on.get(metric), self.measured_on(metric)
        unit = self.units[metric].difference_unit
        for difference in self._elsewhere(metric):
            yield (
                f"{metric}: predicted for {difference}, so the errors are not those of the "
                f"predictor alone"
            )
        both = self.errors_on_fitted.get(metric)
        if both is not None:
            change = self.errors[metric].mean_error - both.mean_error
            yield (
                f"{metric}: mean error {significant(both.mean_error, sign='+')} {unit} on the "
                f"images that the predictor was fitted on; the change of images adds "
                f"{significant(change, sign='+')} {unit}"
            )
        elif fitted is not None and measured is not None and fitted.name != measured.name:
            yield (
                f"{metric}: fitted on {fitted}, measured on {measured}, so the mean error is "
                f"that of the predictor and of the change of images; AccuracyMeter(fitted_on=...) "
                f"measures both"
            )

    def _elsewhere(self, metric: str) -> Iterator[str]:
        """Yield in what the conditions of predictions and measurements differ."""
        predicted = _conditions(self.predicted_for.get(metric, {}))
        measured = [
            _conditions(p.measured_by[metric]) for p in self.points if metric in p.measured_by
        ]
        for name, value in predicted.items():
            found = {str(of[name]) for of in measured if of.get(name, value) != value}
            if found:
                yield f"{name} {value}, measured with {', '.join(sorted(found))}"

    def n_known(self, metric: str) -> int:
        """Return how many measured points have a standard deviation of their prediction."""
        return len(self._overestimated_of(metric))

    def n_overestimated(self, metric: str) -> int:
        """Return how many of those are worse than their 90 % interval; by chance it is 5 %."""
        return sum(self._overestimated_of(metric))

    def _overestimated_of(self, metric: str) -> list[bool]:
        flags = (p.overestimated(metric) for p in self.points if metric in p.measured)
        return [flag for flag in flags if flag is not None]

    @property
    def overestimated(self) -> tuple[VerifiedPoint, ...]:
        """The points of which some metric is worse than the 90 % interval of its prediction."""
        return tuple(
            p
            for p in self.points
            if any(m in p.measured and p.overestimated(m) for m in self.metrics)
        )

    def __str__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        n = len(self.points)
        head = f"{n} subnet{'s' * (n != 1)} measured{failed}; predicted -> measured "
        head += "(measured minus predicted)"
        lines = [head, *self._rows(), "", *self._figures(), *self.notes]
        return "\n".join(line.rstrip() for line in lines)

    def _rows(self) -> Iterator[str]:
        columns = [self._column(metric) for metric in self.metrics]
        widths = [max(map(len, column), default=0) for column in columns]
        for i, cells in enumerate(zip(*columns, strict=True), start=1):
            texts = (f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
            yield f"{i:3}  " + "  ".join(texts)

    def _column(self, metric: str) -> list[str]:
        """Return a cell for each point, all with as many digits."""
        known = [p for p in self.points if metric in p.measured]
        values = [x for p in known for x in (p.predicted[metric], p.measured[metric])]
        std = [s[metric] for p in known for s in (p.predicted_std, p.measured_std) if metric in s]
        n = self.units[metric].decimals(values, std)
        return [_cell(point, self.units[metric], n) for point in self.points]

    def _figures(self) -> Iterator[str]:
        head = ("n", "MAPE %", "RMSE", "mean error", "Kendall", "overestimated")
        yield f"{'':16}" + "".join(f"{h:>11}" for h in head)
        for metric, of in self.errors.items():
            n_known = self.n_known(metric)
            known = f"{self.n_overestimated(metric)} of {n_known}" if n_known else "unknown"
            numbers = (
                significant(of.mape),
                significant(of.rmse),
                significant(of.mean_error, sign="+"),
            )
            figures = "".join(f"{x:>11}" for x in (*numbers, f"{of.kendall:.3f}"))
            yield f"{metric:16}{of.n:11}{figures}{known:>11}"


def _cell(point: VerifiedPoint, of: Metric, n: int) -> str:
    metric, number = of.name, of.number
    if metric not in point.measured:
        return f"{metric} not measured"
    predicted = number(point.predicted[metric], point.predicted_std.get(metric), n=n)
    measured = number(point.measured[metric], point.measured_std.get(metric), n=n)
    error = number(point.error(metric), n=n, sign="+")
    word = _WORDS[point.overestimated(metric)]
    return f"{metric} {predicted} -> {measured} ({error}) {word}".rstrip()


# 90 % of a normal distribution lie within so many standard deviations of its mean
Z90 = 1.6448536269514722


@dataclass(frozen=True)
class VerifiedPoint:
    """The predictions and the measurements of one subnet.

    Args:
        subnet: The subnet.
        predicted: What was predicted of each metric, in its unit, when the subnet was measured.
        predicted_std: Standard deviation of those predictions that have one.
        measured: What was measured, and exact costs.
        measured_std: Standard deviation of those measurements that have one.
        trial_number: Number of its trial of kind ``"measured"``; None where not all objectives
            are measured.
        measured_by: All that a measurement depends on but the subnet, by metric, where known.
        on_fitted: Measurements on the images that the predictor was fitted on, of those metrics
            that were measured there too.
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
    units: Mapping[str, Metric] = field(default_factory=lambda: METRICS, repr=False, compare=False)

    def error(self, metric: str) -> float:
        """Measured minus predicted: negative where less was measured than predicted."""
        return self.measured[metric] - self.predicted[metric]

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


def _conditions(setup: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a latency depends on, of the setup of a table or of a measurement."""
    settings = setup.get("settings")
    flat = {**setup, **(settings if isinstance(settings, Mapping) else {})}
    return {name: flat[name] for name in _CONDITIONS if flat.get(name) is not None}

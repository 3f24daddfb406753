"""A verified front as one value."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._notebook import html_table
from optuna_ofa.evaluation import Partial
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError
from optuna_ofa.fronts import Front
from optuna_ofa.predictors import (
    Conditions,
    PredictionErrors,
    Predictor,
    differences,
    lowest_of,
    prediction_errors,
    recalibrated,
)
from optuna_ofa.problem import METRICS, Metric, significant
from optuna_ofa.profiling import Elsewhere, elsewhere, is_of_table
from optuna_ofa.space import Subnet
from optuna_ofa.verification._images import Images, images_of
from optuna_ofa.verification._precisions import precisions_note
from optuna_ofa.verification._verified_point import VerifiedPoint

Array = NDArray[np.float64]
LATENCY = "latency_ms"
_WORDS = {True: "overestimated", False: "", None: "unknown"}


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
        predicted_for: Metadata of the predictor of a metric: runtime, settings, processor.
        units: The metrics by name, with their units and directions.
        latency: The predictor of latencies, which `recalibrate` corrects.
        finished: When the last trial of the study finished.
        partial: The accuracies of subnets that stopped early in a race, estimated from some of the
            images; they are neither points nor on the front.
    """

    metrics: tuple[str, ...]
    points: tuple[VerifiedPoint, ...]
    front: Front
    failures: Mapping[Subnet, str] = field(default_factory=dict)
    fitted_on: Mapping[str, Images | None] = field(default_factory=dict)
    predicted_for: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    units: Mapping[str, Metric] = field(default_factory=lambda: METRICS, repr=False)
    latency: Predictor | None = field(default=None, repr=False, compare=False)
    finished: datetime.datetime | None = field(default=None, repr=False, compare=False)
    partial: Mapping[Subnet, Partial] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[VerifiedPoint]:
        return iter(self.points)

    @cached_property
    def errors(self) -> dict[str, PredictionErrors]:
        """The errors of each metric that is predicted, over the points where it was measured."""
        return {metric: self._errors_of(metric) for metric in self.metrics if self._has(metric)}

    @cached_property
    def errors_on_fitted(self) -> dict[str, PredictionErrors]:
        """The errors on the images that a predictor was fitted on, where those were measured."""
        pairs = {
            metric: [(p.predicted[metric], p.on_fitted[metric]) for p in self.points]
            for metric in self.metrics
            if self.points and all(metric in p.on_fitted for p in self.points)
        }
        return {m: prediction_errors(m, *np.array(of, float).T) for m, of in pairs.items()}

    def _has(self, metric: str) -> bool:
        """Return whether a metric is predicted, as far as is known."""
        return not self.points or any(metric in point.predicted for point in self.points)

    def _errors_of(self, metric: str) -> PredictionErrors:
        points = [p for p in self.points if metric in p.measured and metric in p.predicted]
        predicted = np.array([p.predicted[metric] for p in points])
        measured = np.array([p.measured[metric] for p in points])
        return prediction_errors(metric, predicted, measured)

    def measured_on(self, metric: str) -> Images | None:
        """Return the images that a metric was measured on; None where they are not known."""
        found = {images_of(p.measured_by[metric]) for p in self.points if metric in p.measured_by}
        return found.pop() if len(found) == 1 else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the errors contain besides those of the predictors, in sentences."""
        mixed = precisions_note(self.metrics, (p.measured_by for p in self.points))
        notes = [note for m in self.metrics for note in self._notes_of(m)]
        return (*notes, *([] if mixed is None else [mixed]))

    @property
    def remedies(self) -> tuple[str, ...]:
        """Remedies for latencies that were predicted for another device."""
        found = self._elsewhere
        return () if found is None else found.remedies

    def _notes_of(self, metric: str) -> Iterator[str]:
        fitted, measured = self.fitted_on.get(metric), self.measured_on(metric)
        unit = self.units[metric].difference_unit
        if metric == LATENCY and self._elsewhere is not None:
            yield f"{metric}: {self._elsewhere.finding}"
        if metric != LATENCY and (words := self._differences(metric)):
            yield f"{metric}: predictor {words}, so the errors are not those of the predictor alone"
        yield from self._extrapolated(metric)
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

    def _extrapolated(self, metric: str) -> Iterator[str]:
        known = [p for p in self.points if metric in p.measured and metric in p.predicted]
        far = [p.error(metric) for p in known if p.is_extrapolated(metric)]
        near = [p.error(metric) for p in known if not p.is_extrapolated(metric)]
        means = [float(np.mean(of)) for of in (far, near) if of]
        if far:
            n, unit = self.units[metric].decimals(means), self.units[metric].difference_unit
            words = " against ".join(self.units[metric].number(x, n=n, sign="+") for x in means)
            yield (
                f"{metric}: {len(far)} of {len(known)} predictions are extrapolated, far from what "
                f"the predictor was fitted on; their mean error is {words} {unit}".rstrip()
                + " of the others" * bool(near)
            )

    def _differences(self, metric: str) -> str:
        """Return how the conditions of predictions and measurements differ, where known."""
        setups = [p.measured_by.get(metric) for p in self.points if metric in p.measured]
        known = [Conditions.of(setup) for setup in setups if setup]
        facts = self.predicted_for.get(metric)
        return " and ".join(differences(Conditions.of(facts), known)) if facts else ""

    @cached_property
    def _elsewhere(self) -> Elsewhere | None:
        """Latencies that were predicted for other conditions than they were measured under."""
        points = [p for p in self.points if LATENCY in p.measured and LATENCY in p.predicted]
        if not points:
            return None
        predicted, measured = self._latencies(points)
        return elsewhere(
            self.predicted_for.get(LATENCY, {}),
            [p.measured_by.get(LATENCY, {}) for p in points],
            predicted,
            measured,
            of_table=is_of_table(self.latency),
            family=points[0].subnet.family,
            lowest=self._lowest(predicted),
        )

    def _lowest(self, predicted: Array) -> float:
        """Return the lowest prediction of the space, or of the subnets without a predictor."""
        try:
            return float(predicted.min()) if self.latency is None else lowest_of(self.latency)
        except OptunaOFAError:  # a study is opened without its predictor
            return float(predicted.min())

    def _latencies(self, points: Sequence[VerifiedPoint]) -> tuple[Array, Array]:
        pairs = [(p.predicted[LATENCY], p.measured[LATENCY]) for p in points]
        predicted, measured = np.array(pairs, dtype=float).T
        return predicted, measured

    def recalibrate(self) -> Predictor:
        """Return the study's latency predictor, corrected by the latencies that were measured.

        The correction is a scale or, with 6 or more measurements, a scale and an offset if that
        predicts left-out measurements better. If the measurements are from a device other than the
        table's, the corrected predictor is for that device::

            latency = study.verify({"latency_ms": LatencyMeter()}, points=12).recalibrate()
            latency.save("here.json")
            study = optuna_ofa.study(space, hardware=latency)  # or hardware="here.json"

        Returns:
            A `NetworkLatencyPredictor`, or one that wraps a custom predictor and has no ``save``.
            Its metadata name the processor, runtime and settings of the measurements;
            ``metadata["recalibrated"]`` describes the correction: what the predictor was for, the
            number of subnets, scale, offset, and the leave-one-out error in percent.

        Raises:
            InvalidArgumentError: If fewer than three latencies were measured, or not all under
                the same conditions, or latency was not predicted.
        """
        points = [p for p in self.points if LATENCY in p.measured and LATENCY in p.predicted]
        if self.latency is None or LATENCY not in self.metrics:
            raise InvalidArgumentError(
                f"`verify` must measure latency_ms to recalibrate its predictor, but measured "
                f"{', '.join(self.metrics)}."
            )
        setups = [p.measured_by.get(LATENCY, {}) for p in points]
        conditions = list(dict.fromkeys(map(Conditions.of, setups)))
        if len(conditions) > 1:
            raise InvalidArgumentError(
                f"`points` must be measured under one set of conditions to recalibrate, but were "
                f"under {len(conditions)}: {'; '.join(map(str, conditions))}. Call `verify` with "
                f"the subnets of one of them."
            )
        space = self.latency.space
        return recalibrated(
            self.latency,
            space.to_matrix([p.subnet for p in points]),
            self._latencies(points)[1] if points else np.empty(0),
            setup=setups[0] if setups else {},
        )

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

    def _repr_html_(self) -> str:
        errors = [f"{m}: MAPE {significant(of.mape)} %" for m, of in self.errors.items()]
        return html_table(
            self._head(),
            ("", *self.metrics, "Subnet"),
            [
                [str(i), *cells, str(point.subnet)]
                for i, (*cells, point) in enumerate(
                    zip(*map(self._column, self.metrics), self.points, strict=True), start=1
                )
            ],
            (True, *(False for _ in self.metrics), False),
            ". ".join([*errors, *self.notes]),
        )

    def _head(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        failed += f", {len(self.partial)} stopped early" if self.partial else ""
        n, on = len(self.points), filter(None, map(self._on, self.metrics))
        head = f"{n} subnet{'s' * (n != 1)} measured{failed}; predicted -> measured "
        return ", ".join([head + "(measured minus predicted)", *on])

    def _on(self, metric: str) -> str:
        """Return how a metric was computed: ``top1 in INT8 (litert) on 2,000 images``."""
        numbers = sorted({p.n_images[metric] for p in self.points if metric in p.n_images})
        setups = (p.measured_by.get(metric, {}) for p in self.points)
        known = {Conditions.of(setup) for setup in setups if metric != LATENCY}
        computed = " and ".join(sorted({of.computed_in for of in known}))
        on = f"on {' and '.join(f'{n:,}' for n in numbers)} images" if numbers else ""
        computed = f"in {computed}" if computed not in ("", "float32") else ""
        words = " ".join(word for word in (computed, on) if word)
        return f"{metric} {words}" if words else ""

    def __str__(self) -> str:
        lines = [self._head(), *self._rows(), *self._stopped(), "", *self._figures(), *self.notes]
        lines += [f"  {remedy}" for remedy in self.remedies]
        return "\n".join(line.rstrip() for line in lines)

    def _stopped(self) -> Iterator[str]:
        for subnet, of in self.partial.items():
            top1 = self.units["top1"].number(of.top1, of.top1_std)
            yield f"  -  top1 {top1} estimated from {of.n_images:,} images: {subnet}"

    def _rows(self) -> Iterator[str]:
        columns = [self._column(metric) for metric in self.metrics]
        widths = [max(map(len, column), default=0) for column in columns]
        for i, cells in enumerate(zip(*columns, strict=True), start=1):
            texts = (f"{c:<{w}}" for c, w in zip(cells, widths, strict=True))
            yield f"{i:3}  " + "  ".join(texts)

    def _column(self, metric: str) -> list[str]:
        """Return a cell for each point, all with the same number of decimals."""
        known = [p for p in self.points if metric in p.measured]
        values = [x[metric] for p in known for x in (p.predicted, p.measured) if metric in x]
        std = [s[metric] for p in known for s in (p.predicted_std, p.measured_std) if metric in s]
        n = self.units[metric].decimals(values, std, apart=False)
        return [_cell(point, self.units[metric], n) for point in self.points]

    def _figures(self) -> Iterator[str]:
        head = ("n", "MAPE %", "RMSE", "mean error", "Kendall", "overestimated")
        yield f"{'':16}" + "".join(f"{h:>12}" for h in head[:-1]) + f"{head[-1]:>15}"
        for metric, of in self.errors.items():
            n_known = self.n_known(metric)
            known = f"{self.n_overestimated(metric)} of {n_known}" if n_known else "unknown"
            numbers = (
                significant(of.mape),
                significant(of.rmse),
                significant(of.mean_error, sign="+"),
            )
            figures = "".join(f"{x:>12}" for x in (*numbers, f"{of.kendall:.3f}"))
            yield f"{metric:16}{of.n:12}{figures}{known:>15}"


def _cell(point: VerifiedPoint, of: Metric, n: int) -> str:
    metric, number = of.name, of.number
    if metric not in point.measured:
        return f"{metric} not measured"
    measured = number(point.measured[metric], point.measured_std.get(metric), n=n)
    if metric not in point.predicted:
        return f"{metric} {measured}, not predicted"
    predicted = number(point.predicted[metric], point.predicted_std.get(metric), n=n)
    error = number(point.error(metric), n=n, sign="+")
    words = [_WORDS[point.overestimated(metric)], "extrapolated" * point.is_extrapolated(metric)]
    return f"{metric} {predicted} -> {measured} ({error}) {', '.join(filter(None, words))}".rstrip()

"""One subnet of a Pareto front, with its values and where these come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna_ofa._notebook import html_table
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.problem import CORRECTED_WITH, MEASURED_ON, METRICS, Metric
from optuna_ofa.space import AnySubnet


@dataclass(frozen=True)
class FrontPoint:
    """One subnet of a front.

    Args:
        subnet: The subnet; a `Configuration` of a space that is a plain table of choices.
        values: Value of each objective by name, in the name's unit (``top1`` in percent).
        std: Standard deviation of those values that have one, in the same units.
        kind: Where the values come from: ``"predicted"`` by this package's predictors, or
            ``"measured"``: passed to `tell_batch`, or returned by your own objective.
        trial_number: Number of the trial in the study.
        caution: By how many standard deviations predicted values are worse than the prediction,
            for those that are (`ConfidenceBound`).
        origin: Where each value comes from, as far as it is known, by metric: the setup of a
            measurement (images, weights, calibration, runtime, device), or the metadata of a
            predictor.
        metrics: The metrics by name, with their units and directions.
        extrapolated: Metrics that are extrapolated: their predictor was not fitted on anything near
            the subnet. Constrained metrics are included. Always empty for measured points; None
            where it is unknown, because the study was opened without a predictor.
        n_images: Number of images that accuracies were measured on, by metric.
        limited: Measured values of constrained metrics that are not objectives, by name; none of a
            predicted point.
    """

    subnet: AnySubnet
    values: Mapping[str, float]
    std: Mapping[str, float]
    kind: str
    trial_number: int
    caution: Mapping[str, float] = field(default_factory=dict)
    origin: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, compare=False)
    metrics: Mapping[str, Metric] = field(
        default_factory=lambda: METRICS, repr=False, compare=False
    )
    extrapolated: tuple[str, ...] | None = ()
    n_images: Mapping[str, int] = field(default_factory=dict)
    limited: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return points_in_words([self])[0]

    def __getattr__(self, name: str) -> float:
        """Return the value of an objective: ``point.latency_ms`` is ``point.values["latency_ms"]``.

        Python calls this for names that are not fields of the point.

        Raises:
            AttributeError: If it is not an objective; lists those that are.
        """
        values = self.__dict__.get("values", {})  # not there yet while a copy is made
        if name in values:
            return float(values[name])
        raise AttributeError(
            f"{type(self).__name__!r} has no attribute {name!r}; its values are "
            f"{', '.join(values) or 'none'}{did_you_mean(name, [*values, *self.__dict__])}",
            name=name,
            obj=self,
        )

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.__dict__.get("values", {})]

    def _repr_html_(self) -> str:
        return html_of_point(self)


def points_in_words(points: Sequence[FrontPoint]) -> list[str]:
    """Return points in words, with enough digits to tell them apart."""
    digits = {
        name: points[0]
        .metrics[name]
        .decimals([p.values[name] for p in points], [p.std[name] for p in points if name in p.std])
        for name in (points[0].values if points else ())
    }
    words = []
    for p in points:
        bounds = "".join(f", {name} {k:g} std worse" for name, k in p.caution.items())
        numbers = values_in_words(p.values, p.std, p.metrics, digits)
        words.append(f"{numbers} ({kind_words(p)}{bounds}): {p.subnet}")
    return words


def kind_words(point: FrontPoint) -> str:
    """Return what the values are: ``predicted``, ``predicted, n_macs exact``, or ``exact``.

    Devices, extrapolated metrics and numbers of images are named: ``measured on phone 1``,
    ``predicted, top1 extrapolated``, ``measured, top1 on 2,000 images``. Predictions that were
    corrected say with how many measurements.
    """
    exact = [name for name in point.values if point.metrics[name].is_exact]
    if len(exact) == len(point.values) > 0:
        return "exact"
    extrapolated = [f"{name} extrapolated" for name in point.extrapolated or ()]
    images = [f"{name} on {n:,} images" for name, n in point.n_images.items()]
    return ", ".join(
        [
            _kind_and_device(point),
            *_corrected(point),
            *(f"{name} exact" for name in exact),
            *extrapolated,
            *images,
        ]
    )


def _kind_and_device(point: FrontPoint) -> str:
    found = dict.fromkeys(str(of[MEASURED_ON]) for of in point.origin.values() if MEASURED_ON in of)
    return f"{point.kind} on {' and '.join(found)}" if found else point.kind


def _corrected(point: FrontPoint) -> list[str]:
    n = [of[CORRECTED_WITH] for of in point.origin.values() if CORRECTED_WITH in of]
    return [f"corrected with {max(n)} measurements"] if n else []


def values_in_words(
    values: Mapping[str, float],
    std: Mapping[str, float],
    metrics: Mapping[str, Metric],
    digits: Mapping[str, int] | None = None,
) -> str:
    """Values in words: ``top1 76.12 ± 0.08 %, latency_ms 14.90 ± 0.20 ms``.

    Args:
        values: Values by metric.
        std: Standard deviations, of those that have one.
        metrics: The metrics by name.
        digits: Number of decimals by metric; None takes those that each value needs.
    """
    return ", ".join(
        f"{name} {metrics[name].text(value, std.get(name), n=(digits or {}).get(name))}"
        for name, value in values.items()
    )


def html_of_point(point: FrontPoint) -> str:
    """Return one point for notebooks: a line for each value, and the subnet."""
    rows = []
    for name, value in point.values.items():
        metric, worse = point.metrics[name], point.caution.get(name)
        bound = f", {worse:g} std worse" if worse else ""
        bound += ", extrapolated" if name in (point.extrapolated or ()) else ""
        bound += f" on {point.n_images[name]:,} images" if name in point.n_images else ""
        kind = point.kind if metric.is_exact else _kind_and_device(point)
        rows.append([metric.title, metric.text(value, point.std.get(name)), kind + bound])
    caption = f"{point.kind.capitalize()} point, trial {point.trial_number}"
    return html_table(caption, (), rows, (False, False, False), note=str(point.subnet))

"""The device and the date of plotted values, for a line below the title."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from optuna_ofa.fronts import FrontPoint
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import MEASURED, Metric

if TYPE_CHECKING:
    from optuna_ofa.verification import VerifiedPoint

LATENCY = "latency_ms"
Known = tuple[str, Conditions]  # the kind of a latency, and its device


def devices_of(points: Iterable[FrontPoint]) -> list[Known]:
    """Return the kinds and devices of the latencies of points."""
    found = ((p.kind, p.origin.get(LATENCY, {})) for p in points if LATENCY in p.values)
    return [(kind, Conditions.of(facts)) for kind, facts in found]


def origin_words(devices: Iterable[Known], moments: Iterable[datetime.datetime | None] = ()) -> str:
    """Return ``latency of AMD EPYC family 25 model 17, torch 2.13.0; 29 November 2026``.

    Args:
        devices: The kinds and devices of latencies. Predicted and measured ones are listed
            separately where they differ; several devices of one kind are counted.
        moments: When the last trial of each study finished; the latest is used.

    Returns:
        The line, with as much as is known.
    """
    known: dict[str, set[Conditions]] = {}
    for kind, device in devices:
        found = known.setdefault(kind, set())
        if device.processor or device.runtime:
            found.add(device)
    return "; ".join(part for part in (_latencies(known), last_date(moments)) if part)


def axis_title(metric: Metric, kinds: Collection[str]) -> str:
    """Return the title of an axis, with the kind of its values if there is only one."""
    if len(kinds) > 1 and not metric.is_exact:
        return metric.axis
    return f"{metric.axis}, {metric.source(next(iter(kinds)))}"


def last_date(moments: Iterable[datetime.datetime | None]) -> str:
    """Return the latest of some times as a date; empty if there is none."""
    known = [moment for moment in moments if moment is not None]
    return f"{max(known):%-d %B %Y}" if known else ""


def accuracy_words(points: Iterable[FrontPoint | VerifiedPoint]) -> str:
    """Return ``top-1 measured in INT8 (litert) on 2,000 images``.

    Args:
        points: The points. An unknown precision counts as float32, as in exports; float32 alone is
            left out, and so is an unknown number of images.
    """
    precisions: dict[str, set[str]] = {}
    numbers: set[int] = set()
    for kind, setup, n in map(_top1_of, points):
        precisions.setdefault(kind, set()).add(Conditions.of(setup).computed_in)
        numbers |= set() if n is None else {n}
    words: dict[str, list[str]] = {}
    if set().union(*precisions.values()) - {"float32"}:
        words = {kind: [f"in {' and '.join(sorted(of))}"] for kind, of in precisions.items()}
    if numbers:
        images = " and ".join(f"{n:,}" for n in sorted(numbers))
        words.setdefault(MEASURED, []).append(f"on {images} images")
    by_kind = (f"{kind} {' '.join(of)}" for kind, of in words.items())
    return f"top-1 {', '.join(by_kind)}" if words else ""


def _top1_of(point: FrontPoint | VerifiedPoint) -> tuple[str, Mapping[str, Any], int | None]:
    """Return the kind of an accuracy, how it was found, and on how many images."""
    if isinstance(point, FrontPoint):
        return point.kind, point.origin.get("top1", {}), point.n_images.get("top1")
    return MEASURED, point.measured_by.get("top1", {}), point.n_images.get("top1")


def _precisions(found: Iterable[str]) -> str:
    return " and ".join("INT8" if p == "int8" else p for p in sorted(found))


def _latencies(known: Mapping[str, set[Conditions]]) -> str:
    words = {kind: _one(devices) for kind, devices in known.items() if devices}
    if len({frozenset(devices) for devices in known.values()}) == 1:
        return f"latency of {next(iter(words.values()))}" if words else ""
    return ", ".join(f"latency {kind} for {device}" for kind, device in words.items())


def _one(devices: set[Conditions]) -> str:
    """Return the only device, or one in several precisions, in words; else their number."""
    names = {str(device) for device in devices}
    if len(names) == 1:
        return names.pop()
    alike = {str(device._replace(precision="")) for device in devices}
    if len(alike) == 1:
        return f"{alike.pop()}, {_precisions({d.precision for d in devices} - {''})}"
    return f"{len(names)} devices"

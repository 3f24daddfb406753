"""The device and the date of plotted values, for a line below the title."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping

from optuna_ofa.fronts import FrontPoint
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import Metric

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
    known: dict[str, set[str]] = {}
    for kind, device in devices:
        names = known.setdefault(kind, set())
        if device.processor or device.runtime:
            names.add(str(device))
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


def _latencies(known: Mapping[str, set[str]]) -> str:
    if len({frozenset(names) for names in known.values()}) == 1:
        (names, *_) = known.values()
        return f"latency of {_one(names)}" if names else ""
    words = [f"latency {kind} for {_one(names)}" for kind, names in known.items() if names]
    return ", ".join(words)


def _one(names: set[str]) -> str:
    return next(iter(names)) if len(names) == 1 else f"{len(names)} devices"

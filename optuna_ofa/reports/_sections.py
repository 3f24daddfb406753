"""The pictures of studies, each with a title and a caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from optuna_ofa.fronts import FrontPoint, Picks, Snapshot, cost_metric, evenly
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.problem import Kind, Metric
from optuna_ofa.visualization import (
    across_and_up,
    plot_accuracy_macs,
    plot_architecture,
    plot_choices,
    plot_front,
    plot_fronts,
    plot_hypervolume,
    plot_layer_latency,
)

Shown = Mapping[str, tuple[Snapshot, Picks]]
_MIN_SECONDS = 0.02  # a shorter search has no course in time
_MAX_ARCHITECTURES = 6  # more make a picture that fits on no screen


class Section(NamedTuple):
    """A picture with words.

    Args:
        id: Stable name, of small letters, digits and hyphens.
        title: Its subject in a few words.
        caption: An explanation for somebody who sees such a picture for the first time.
        figure: The picture.
    """

    id: str
    title: str
    caption: str
    figure: go.Figure


def study_sections(
    shown: Shown, *, kind: Kind, n_architectures: int = _MAX_ARCHITECTURES
) -> list[Section]:
    """Return all pictures that can be drawn of some studies.

    Args:
        shown: Each study with its picks, by name; all have the same objectives and points of this
            kind.
        kind: The kind of values in the pictures, but for the fronts of single studies, which
            show both.
        n_architectures: At most how many picks are drawn layer by layer, spread over all.
    """
    return [
        *_fronts(shown, kind),
        *_architectures(shown, n_architectures),
        *_choices(shown, kind),
        *_layers(shown),
        *_macs(shown, kind),
        *_progress(shown, kind),
    ]


def _snapshots(shown: Shown) -> dict[str, Snapshot]:
    return {name: found for name, (found, _) in shown.items()}


def _objectives(shown: Shown) -> tuple[str, ...]:
    return next(iter(_snapshots(shown).values())).problem.objectives


def _fronts(shown: Shown, kind: Kind) -> Iterator[Section]:
    snapshots, n = _snapshots(shown), len(_objectives(shown))
    if len(snapshots) > 1 and n in (2, 3):
        yield Section(
            "fronts",
            "What each study can reach",
            _fronts_caption(shown),
            plot_fronts(snapshots, kind=kind),
        )
    if n in (2, 3):
        where = "on the line" if n == 2 else "in colour"
        for suffix, of, found, picks in _each(shown):
            yield Section(
                f"front{suffix}",
                f"The best subnets{of}",
                f"Each point is a network of its own. Those {where} are the front: no network "
                "that was found is better in one respect without being worse in another. Grey "
                "points are the others; bars are standard deviations. The star is the knee, and "
                "black symbols are the picks.",
                plot_front(found, picks={k: p for k, p in picks.items() if p is not None}),
            )


def _metrics(shown: Shown) -> dict[str, Metric]:
    return next(iter(_snapshots(shown).values())).problem.objective_metrics


def _fronts_caption(shown: Shown) -> str:
    metrics = _metrics(shown)
    across, up = (metrics[name] for name in across_and_up(metrics))
    if len(metrics) > 2:
        return (
            "The points of one symbol are the front of one study: no network that was found is "
            "better in one respect without being worse in another."
        )
    where = f"{'up' if up.maximize else 'down'} and to the {'right' if across.maximize else 'left'}"
    return (
        f"Each line is the front of one study: the best {up.title.lower()} at every "
        f"{across.title.lower()}. A line further {where} is better."
    )


def _each(shown: Shown) -> Iterator[tuple[str, str, Snapshot, Picks]]:
    """Yield the ends of an id and of a title, both empty for a single study, with each study."""
    for i, (name, of_study) in enumerate(shown.items(), start=1):
        ends = (f"-{i}", f" of {name}") if len(shown) > 1 else ("", "")
        yield (*ends, *of_study)


def _architectures(shown: Shown, at_most: int) -> Iterator[Section]:
    points = [
        (study, name, point)
        for study, (_, picks) in shown.items()
        for name, point in picks.items()
        if point is not None
    ]
    networks = {}
    for study, name, point in (points[i] for i in evenly(len(points), at_most)):
        title = f"{study}, {name}" if len(shown) > 1 else name
        networks[f"{title}: {_first(point)}"] = point.subnet
    if networks:
        yield Section(
            "architectures",
            "What the picks look like",
            "A row is a network, a box is a layer, from input to output. The colour and the number "
            "are the size of its kernel, the height is its expand ratio, the width grows with its "
            "channels.",
            plot_architecture(networks),
        )


def _first(point: FrontPoint) -> str:
    name, value = next(iter(point.values.items()))
    return point.metrics[name].text(value)


def _choices(shown: Shown, kind: Kind) -> Iterator[Section]:
    metrics = _metrics(shown)
    by = metrics[cost_metric(metrics) or next(iter(metrics))].title.lower()
    for suffix, of, found, _ in _each(shown):
        yield Section(
            f"choices{suffix}",
            f"What the best subnets{of} have in common",
            f"From the lowest {by} of the front on the left to the highest on the right: how "
            f"often each kernel, depth and expand ratio is chosen.",
            plot_choices(found.front(kind=kind)),
        )


def _layers(shown: Shown) -> Iterator[Section]:
    for suffix, of, found, picks in _each(shown):
        table = getattr(found.problem.predictors.get("latency_ms"), "table", None)
        points = [(name, point) for name, point in picks.items() if point is not None]
        if isinstance(table, LatencyTable) and points:
            name, point = points[len(points) // 2]
            yield Section(
                f"layers{suffix}",
                f"Where the time goes{of}",
                f"The latency of every layer of the pick “{name}”, from the table of the device.",
                plot_layer_latency(table, point.subnet),
            )


def _macs(shown: Shown, kind: Kind) -> Iterator[Section]:
    metrics = _metrics(shown)
    if "top1" in metrics and cost_metric(metrics) not in (None, "n_macs"):
        yield Section(
            "accuracy-macs",
            "Why not count multiply-adds",
            "The same front over multiply-adds, a usual stand-in for latency. Open symbols are "
            "subnets that others beat on multiply-adds, but not on the cost that counts here.",
            plot_accuracy_macs(_snapshots(shown), kind=kind),
        )


def _took_time(found: Snapshot, kind: Kind) -> bool:
    """Return whether trials finished at different times, which is not so where all were added."""
    seconds = found.seconds(found.results(kind=kind).numbers.tolist())
    return bool(np.isfinite(seconds).any() and np.ptp(seconds[np.isfinite(seconds)]) > _MIN_SECONDS)


def _progress(shown: Shown, kind: Kind) -> Iterator[Section]:
    if len(_objectives(shown)) < 2:
        return
    what = (
        "The hypervolume is one number for how good a front is; where the line is flat, searching "
        "on finds little more."
    )
    snapshots = _snapshots(shown)
    went, took = "How the search went", "How long the search took"
    yield Section("hypervolume", went, what, plot_hypervolume(snapshots, kind=kind))
    if not all(_took_time(found, kind) for found in snapshots.values()):
        return
    timed = plot_hypervolume(snapshots, by="time", kind=kind)
    yield Section("hypervolume-time", took, what, timed)

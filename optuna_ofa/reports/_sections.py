"""The figures of studies, each with a title and a caption."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from optuna_ofa.fronts import FrontPoint, Picks, Snapshot, cost_metric, evenly, extrapolation_note
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.problem import PREDICTED, Kind, Metric
from optuna_ofa.space import Subnet
from optuna_ofa.visualization import (
    across_and_up,
    draw_hypervolume,
    hypervolume_info,
    plot_accuracy_macs,
    plot_architecture,
    plot_choices,
    plot_front,
    plot_fronts,
    plot_layer_latency,
)

Shown = Mapping[str, tuple[Snapshot, Picks]]
_MIN_SECONDS = 0.02  # a shorter search has no progress over time
_MAX_ARCHITECTURES = 6  # more do not fit on a screen


class Section(NamedTuple):
    """A figure with a title and a caption.

    Args:
        id: Stable name: lower-case letters, digits and hyphens.
        title: Its subject in a few words.
        caption: An explanation for readers who do not know this kind of figure.
        figure: The figure.
    """

    id: str
    title: str
    caption: str
    figure: go.Figure


def study_sections(
    shown: Shown, *, kind: Kind, n_architectures: int = _MAX_ARCHITECTURES
) -> list[Section]:
    """Return all figures that apply to some studies.

    Args:
        shown: Each study with its picks, by name; all have the same objectives and trials of this
            kind.
        kind: The kind of values in the figures, except for the fronts of single studies, which
            show both.
        n_architectures: Maximum number of picks shown layer by layer, spread over all.
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
                f"The best {found.space.noun}s{of}",
                f"Each point is a {_word(found)}. Those {where} are the front: no other one found "
                "is better in one objective without being worse in another. Grey points are the "
                "others; bars are standard deviations. The star is the knee, and black symbols are "
                f"the picks.{_about_squares(found)}",
                plot_front(found, picks={k: p for k, p in picks.items() if p is not None}),
            )


def _word(found: Snapshot) -> str:
    """Return what a point is called by readers who do not know supernets."""
    return "network" if found.space.has_network else found.space.noun


def _about_squares(found: Snapshot) -> str:
    """Return what the squares in the figure of a front mean, if there are any."""
    note = extrapolation_note(found.front(kind=PREDICTED)) if PREDICTED in found.kinds else ""
    return f" Squares mark extrapolated points. {note}" if note else ""


def _metrics(shown: Shown) -> dict[str, Metric]:
    return next(iter(_snapshots(shown).values())).problem.objective_metrics


def _fronts_caption(shown: Shown) -> str:
    metrics = _metrics(shown)
    across, up = (metrics[name] for name in across_and_up(metrics))
    if len(metrics) > 2:
        return (
            "The points of one symbol are the front of one study: none that was found is "
            "better in one respect without being worse in another."
        )
    where = f"{'up' if up.maximize else 'down'} and to the {'right' if across.maximize else 'left'}"
    return (
        f"Each line is the front of one study: the best {up.title.lower()} at every "
        f"{across.title.lower()}. A line further {where} is better."
    )


def _each(shown: Shown) -> Iterator[tuple[str, str, Snapshot, Picks]]:
    """Yield suffixes of id and title, both empty for a single study, with each study."""
    for i, (name, of_study) in enumerate(shown.items(), start=1):
        ends = (f"-{i}", f" of {name}") if len(shown) > 1 else ("", "")
        yield (*ends, *of_study)


def _architectures(shown: Shown, at_most: int) -> Iterator[Section]:
    points = [
        (study, name, point)
        for study, (_, picks) in shown.items()
        for name, point in picks.items()
        if point is not None and isinstance(point.subnet, Subnet)
    ]
    networks = {}
    for study, name, point in (points[i] for i in evenly(len(points), at_most)):
        title = f"{study}, {name}" if len(shown) > 1 else name
        networks[f"{title}: {_first(point)}"] = point
    if networks:
        yield Section(
            "architectures",
            "What the picks look like",
            "Each row is a network, each box a layer, from input to output. Colour and number are "
            "the kernel size, the height is the expand ratio, and the width grows with the "
            "number of channels.",
            plot_architecture(networks),
        )


def _first(point: FrontPoint) -> str:
    name, value = next(iter(point.values.items()))
    return point.metrics[name].text(value)


def _choices(shown: Shown, kind: Kind) -> Iterator[Section]:
    metrics = _metrics(shown)
    by = metrics[cost_metric(metrics) or next(iter(metrics))].title.lower()
    for suffix, of, found, _ in _each(shown):
        what = "kernel, depth and expand ratio" if found.space.has_network else "value"
        yield Section(
            f"choices{suffix}",
            f"What the best {found.space.noun}s{of} have in common",
            f"From the lowest {by} of the front on the left to the highest on the right: how "
            f"often each {what} is chosen.",
            plot_choices(found, kind=kind),
        )


def _layers(shown: Shown) -> Iterator[Section]:
    for suffix, of, found, picks in _each(shown):
        table = getattr(found.problem.predictors.get("latency_ms"), "table", None)
        points = [(name, point) for name, point in picks.items() if point is not None]
        if isinstance(table, LatencyTable) and points:
            name, point = points[len(points) // 2]
            yield Section(
                f"layers{suffix}",
                f"Latency by layer{of}",
                f"The latency of every layer of the pick “{name}”, from the latency table.",
                plot_layer_latency(table, point.subnet),
            )


def _macs(shown: Shown, kind: Kind) -> Iterator[Section]:
    metrics = _metrics(shown)
    of_networks = all(found.space.has_network for found, _ in shown.values())
    if of_networks and "top1" in metrics and cost_metric(metrics) not in (None, "n_macs"):
        yield Section(
            "accuracy-macs",
            "Why not count multiply-adds",
            "The same front over multiply-adds, a common proxy for latency. Open symbols are "
            "subnets that are not optimal in multiply-adds, although they are in the cost of "
            "this search.",
            plot_accuracy_macs(_snapshots(shown), kind=kind),
        )


def _took_time(found: Snapshot, kind: Kind) -> bool:
    """Return whether trials finished at different times, unlike trials that were added together."""
    seconds = found.seconds(found.results(kind=kind).numbers.tolist())
    return bool(np.isfinite(seconds).any() and np.ptp(seconds[np.isfinite(seconds)]) > _MIN_SECONDS)


def _progress(shown: Shown, kind: Kind) -> Iterator[Section]:
    if len(_objectives(shown)) < 2:
        return
    what = (
        "The hypervolume measures the quality of a front in one number; where the curve is flat, "
        "further search finds little more."
    )
    snapshots = _snapshots(shown)
    went, took = "How the search went", "How long the search took"
    info = hypervolume_info(snapshots, kind=kind)
    yield Section("hypervolume", went, what, draw_hypervolume(info, by="evaluations"))
    if not all(_took_time(found, kind) for found in snapshots.values()):
        return
    yield Section("hypervolume-time", took, what, draw_hypervolume(info, by="time"))

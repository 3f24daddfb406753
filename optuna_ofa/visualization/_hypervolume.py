"""Hypervolume by number of evaluations, or by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, get_args

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    Findings,
    Snapshot,
    Values,
    checked_reference,
    hypervolume,
    kind_of,
    named_findings,
    nondominated,
    reference_of,
    reference_words,
    signs_of,
    unit,
)
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import MEASURED_BY, PREDICTED, Kind, Metric
from optuna_ofa.visualization._origin import LATENCY, Known, origin_words
from optuna_ofa.visualization._style import BELOW, PALETTE, colour, finish

_N_POINTS = 100
_DASHES = ("solid", "dash", "dot")
By = Literal["evaluations", "time"]


class HypervolumeProgress(NamedTuple):
    """The progress of a search.

    Args:
        n_trials: ``(n,)`` numbers of finished trials, infeasible ones included.
        hypervolume: ``(n,)`` hypervolumes of the feasible trials among them.
        seconds: ``(n,)`` times at which the last of them had finished, since the start of the first
            trial, including pauses between searches. NaN if unknown.
    """

    n_trials: NDArray[np.int64]
    hypervolume: NDArray[np.float64]
    seconds: NDArray[np.float64]


class HypervolumeInfo(NamedTuple):
    """The data of a plot of hypervolumes.

    Args:
        progress: The progress of each study by name.
        reference: The reference point, by objective.
        metrics: The objectives by name.
        kind: Whether the values are predicted or measured.
        origin: The devices and the date.
    """

    progress: dict[str, HypervolumeProgress]
    reference: dict[str, float]
    metrics: dict[str, Metric]
    kind: str
    origin: str


def hypervolume_info(
    studies: Findings | Mapping[str, Findings],
    *,
    reference: Mapping[str, float] | None = None,
    kind: Kind | None = None,
) -> HypervolumeInfo:
    """Collect the data of `plot_hypervolume`."""
    snapshots, objectives = named_findings(studies, kind)
    metrics = next(iter(snapshots.values())).problem.objective_metrics
    if len(objectives) < 2:
        raise InvalidArgumentError(
            f"`studies` must have 2 or more objectives, but have only {objectives[0]}."
        )
    kind = kind or kind_of([*snapshots.values()])
    results = {name: found.results(kind=kind) for name, found in snapshots.items()}
    values = {
        name: r.values[:, [snapshots[name].problem.objectives.index(m) for m in objectives]]
        for name, r in results.items()
    }
    if reference is None:
        point = reference_of([values[n][r.feasible] for n, r in results.items()], metrics)
    else:
        point = checked_reference(reference, objectives)
    progress = {}
    for name, r in results.items():
        seconds = snapshots[name].seconds(r.numbers.tolist())
        known = np.nan_to_num(seconds, nan=np.inf)  # several workers may finish out of turn
        order = np.lexsort((r.numbers, known))
        progress[name] = _progress(values[name], r.feasible, order, point, metrics, seconds[order])
    devices = [known for found in snapshots.values() for known in _devices(found, kind)]
    origin = origin_words(devices, (found.finished for found in snapshots.values()))
    return HypervolumeInfo(progress, point, metrics, kind, origin)


def _devices(found: Snapshot, kind: Kind) -> Iterator[Known]:
    """Yield the devices of a study's latencies."""
    if LATENCY not in found.problem.objectives:
        return
    if kind == PREDICTED:
        yield kind, Conditions.of(found.problem.facts(LATENCY))
        return
    for note in found.notes(found.results(kind=kind).numbers.tolist()):
        setups = note.get(MEASURED_BY)
        yield kind, Conditions.of(setups.get(LATENCY, {}) if isinstance(setups, Mapping) else {})


def _progress(
    values: Values,
    feasible: NDArray[np.bool_],
    order: NDArray[np.intp],
    reference: Mapping[str, float],
    metrics: Mapping[str, Metric],
    seconds: NDArray[np.float64],
) -> HypervolumeProgress:
    counts = np.unique(np.geomspace(1, len(order), _N_POINTS).round().astype(np.int64))
    signs = signs_of(metrics)
    front, volumes, before = np.empty((0, len(signs))), [], 0
    for count in counts.tolist():
        part = order[before:count]
        front = np.concatenate([front, values[part[feasible[part]]]])
        front = front[nondominated(front * signs)]
        volumes.append(hypervolume(front, reference, metrics))
        before = count
    return HypervolumeProgress(counts, np.array(volumes), seconds[counts - 1])


@checked
def plot_hypervolume(
    studies: Findings | Mapping[str, Findings],
    *,
    by: By = "evaluations",
    reference: Mapping[str, float] | None = None,
    kind: Kind | None = None,
) -> go.Figure:
    """Plot the hypervolume of studies by number of evaluations, or by time.

    An evaluation is a finished trial; a study that keeps only its front has fewer trials than
    evaluated subnets. Times are measured from the start of the first trial and include pauses.

    Args:
        studies: A study, or several with the same objectives by name.
        by: The horizontal axis: ``"evaluations"`` or ``"time"``.
        reference: A value for each objective; None uses the worst value on the studies' fronts plus
            a tenth of the range. Give one to compare with other figures.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: If the objectives differ or are not those of ``reference``, there is
            only one objective, or ``by`` has another value.
    """
    if by not in get_args(By):
        raise InvalidArgumentError(f"`by` must be 'evaluations' or 'time', but got {by!r}.")
    return draw_hypervolume(hypervolume_info(studies, reference=reference, kind=kind), by=by)


def draw_hypervolume(info: HypervolumeInfo, *, by: By) -> go.Figure:
    """Draw the data of `plot_hypervolume`."""
    is_time = by == "time"
    words = "%{x:.3g} s" if is_time else "%{x:,} trials"
    figure = go.Figure()
    for i, (name, progress) in enumerate(info.progress.items()):
        dash = _DASHES[i // len(PALETTE) % len(_DASHES)]
        figure.add_scatter(
            x=progress.seconds if is_time else progress.n_trials,
            y=progress.hypervolume,
            name=name,
            mode="lines",
            line={"color": colour(i), "shape": "hv", "width": 2, "dash": dash},
            hovertemplate=f"{name}<br>{words}: %{{y:.4g}}<extra></extra>",
        )
    if is_time:
        figure.update_xaxes(title="Seconds since the first trial was started", rangemode="tozero")
    else:
        figure.update_xaxes(title="Finished trials", type="log", dtick=1)
    figure.update_yaxes(rangemode="tozero", title=f"Hypervolume ({unit(info.metrics)})")
    note = f"of {info.kind} values, over {reference_words(info.reference, info.metrics)}"
    title = f"Hypervolume by {by}"
    return finish(figure, title, note, info.origin, showlegend=True, legend=BELOW)

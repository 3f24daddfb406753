"""Hypervolume by number of evaluations, or by time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    Values,
    beyond,
    checked_reference,
    hypervolume,
    named_studies,
    nondominated,
    reference_words,
    signs_of,
    unit,
)
from optuna_ofa.storage import seconds_of
from optuna_ofa.visualization._style import BELOW, PALETTE

if TYPE_CHECKING:
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy

_N_POINTS = 100
By = Literal["evaluations", "time"]


class HypervolumeProgress(NamedTuple):
    """How far a search had come.

    Args:
        n_evaluations: ``(n,)`` numbers of finished trials, infeasible ones included.
        hypervolume: ``(n,)`` of the feasible ones among them.
        seconds: ``(n,)`` when the last of them had finished, since the first one was started;
            pauses between searches count. NaN where that is not known.
    """

    n_evaluations: NDArray[np.int64]
    hypervolume: NDArray[np.float64]
    seconds: NDArray[np.float64]


class HypervolumeInfo(NamedTuple):
    """What a drawing of hypervolumes shows.

    Args:
        progress: Of each study by name.
        reference: The reference point, by objective.
    """

    progress: dict[str, HypervolumeProgress]
    reference: dict[str, float]


def hypervolume_info(
    studies: SubnetStudy | Mapping[str, SubnetStudy],
    *,
    reference: Mapping[str, float] | None = None,
    kind: Kind | None = None,
) -> HypervolumeInfo:
    """Collect what `plot_hypervolume` draws.

    Args:
        studies: A study, or several of the same objectives by name.
        reference: A value for each objective; None takes the worst of each on the studies'
            fronts and a tenth of the range beyond, so give one to compare with other drawings.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: If the objectives differ, are not those of ``reference``, or are one.
    """
    by_name, objectives = named_studies(studies, kind)
    if len(objectives) < 2:
        raise InvalidArgumentError(
            f"`studies` must have 2 or more objectives, but have {objectives[0]} alone."
        )
    results = {name: study.results(kind=kind) for name, study in by_name.items()}
    values = {
        name: r.values[:, [by_name[name].problem.objectives.index(m) for m in objectives]]
        for name, r in results.items()
    }
    if reference is None:
        feasible = [v[results[name].feasible] for name, v in values.items()]
        signs = signs_of(objectives)
        point = beyond([v[nondominated(v * signs)] for v in feasible], objectives)
    else:
        point = checked_reference(reference, objectives)
    progress = {}
    for name, r in results.items():
        seconds = seconds_of(by_name[name], r.numbers.tolist())
        known = np.nan_to_num(seconds, nan=np.inf)  # several workers may finish out of turn
        order = np.lexsort((r.numbers, known))
        progress[name] = _progress(values[name], r.feasible, order, point, seconds[order])
    return HypervolumeInfo(progress, point)


def _progress(
    values: Values,
    feasible: NDArray[np.bool_],
    order: NDArray[np.intp],
    reference: Mapping[str, float],
    seconds: NDArray[np.float64],
) -> HypervolumeProgress:
    n = len(order)
    counts = np.unique(np.geomspace(1, n, _N_POINTS).round().astype(np.int64))
    signs = signs_of([*reference])
    front, volumes, before = np.empty((0, len(signs))), [], 0
    for count in counts.tolist():
        part = order[before:count]
        front = np.concatenate([front, values[part[feasible[part]]]])
        front = front[nondominated(front * signs)]
        volumes.append(hypervolume(front, reference))
        before = count
    return HypervolumeProgress(counts, np.array(volumes), seconds[counts - 1])


def plot_hypervolume(
    studies: SubnetStudy | Mapping[str, SubnetStudy],
    *,
    by: By = "evaluations",
    reference: Mapping[str, float] | None = None,
    kind: Kind | None = None,
) -> go.Figure:
    """Draw the hypervolume that studies had after each number of evaluations, or by time.

    An evaluation is a finished trial; a study that keeps only its fronts has fewer trials than
    it evaluated subnets. Times are since the first trial was started, pauses included.

    Args:
        studies: As in `hypervolume_info`.
        by: ``"evaluations"`` or ``"time"``, what is on the horizontal axis.
        reference: As in `hypervolume_info`, like ``kind``.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: As `hypervolume_info`; if ``by`` is neither.
    """
    if by not in get_args(By):
        raise InvalidArgumentError(f"`by` must be 'evaluations' or 'time', but got {by!r}.")
    info = hypervolume_info(studies, reference=reference, kind=kind)
    is_time = by == "time"
    words = "%{x:.3g} s" if is_time else "%{x:,} trials"
    lines = [
        go.Scatter(
            x=p.seconds if is_time else p.n_evaluations,
            y=p.hypervolume,
            name=name,
            mode="lines",
            line={
                "color": PALETTE[i % len(PALETTE)],
                "shape": "hv",
                "width": 2,
                "dash": ("solid", "dash", "dot")[i // len(PALETTE) % 3],
            },
            hovertemplate=f"{name}<br>{words}: %{{y:.4g}}<extra></extra>",
        )
        for i, (name, p) in enumerate(info.progress.items())
    ]
    figure = go.Figure(lines)
    if is_time:
        figure.update_xaxes(title="Seconds since the first trial was started", rangemode="tozero")
    else:
        figure.update_xaxes(title="Finished trials", type="log", dtick=1)
    figure.update_yaxes(rangemode="tozero", title=f"Hypervolume ({unit([*info.reference])})")
    return figure.update_layout(
        title=f"Hypervolume by {by}<br><sup>over {reference_words(info.reference)}</sup>",
        template="plotly_white",
        showlegend=True,
        legend=BELOW,
    )

"""Hypervolume by number of evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.samplers import nondominated
from optuna_ofa.visualization._colours import PALETTE
from optuna_ofa.visualization._same import named_studies
from optuna_ofa.visualization._volume import (
    Values,
    beyond,
    checked_reference,
    hypervolume,
    reference_words,
    signs_of,
    unit,
)

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy
    from optuna_ofa.studies._find_front import Kind

_N_POINTS = 100


class HypervolumeProgress(NamedTuple):
    """How far a search had come.

    Args:
        n_evaluations: ``(n,)`` numbers of finished trials, infeasible ones included.
        hypervolume: ``(n,)`` of the feasible ones among them.
    """

    n_evaluations: NDArray[np.int64]
    hypervolume: NDArray[np.float64]


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
    progress = {
        name: _progress(values[name], r.feasible, np.argsort(r.numbers, kind="stable"), point)
        for name, r in results.items()
    }
    return HypervolumeInfo(progress, point)


def _progress(
    values: Values,
    feasible: NDArray[np.bool_],
    order: NDArray[np.intp],
    reference: Mapping[str, float],
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
    return HypervolumeProgress(counts, np.array(volumes))


def plot_hypervolume(
    studies: SubnetStudy | Mapping[str, SubnetStudy],
    *,
    reference: Mapping[str, float] | None = None,
    kind: Kind | None = None,
) -> go.Figure:
    """Draw the hypervolume that studies had after each number of evaluations.

    An evaluation is a finished trial; a study that keeps only its fronts has fewer trials than
    it evaluated subnets.

    Args:
        studies: As in `hypervolume_info`.
        reference: As in `hypervolume_info`, like ``kind``.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: As `hypervolume_info`.
    """
    info = hypervolume_info(studies, reference=reference, kind=kind)
    lines = [
        go.Scatter(
            x=p.n_evaluations, y=p.hypervolume, name=name, mode="lines",
            line={"color": PALETTE[i % len(PALETTE)], "shape": "hv", "width": 2,
                  "dash": ("solid", "dash", "dot")[i // len(PALETTE) % 3]},
            hovertemplate=f"{name}<br>%{{x:,}} trials: %{{y:.4g}}<extra></extra>",
        )
        for i, (name, p) in enumerate(info.progress.items())
    ]  # fmt: skip
    figure = go.Figure(lines)
    figure.update_xaxes(title="Finished trials", type="log", dtick=1)
    figure.update_yaxes(rangemode="tozero", title=f"Hypervolume ({unit([*info.reference])})")
    return figure.update_layout(
        title=f"Hypervolume by evaluations<br><sup>over {reference_words(info.reference)}</sup>",
        template="plotly_white", showlegend=True, legend={"orientation": "h", "y": -0.18},
    )  # fmt: skip

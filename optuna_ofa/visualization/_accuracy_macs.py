"""Accuracy over multiply-adds of the subnets on fronts of other costs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    Findings,
    Front,
    Snapshot,
    evenly,
    kind_of,
    named_findings,
    nondominated,
)
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import METRICS, Kind
from optuna_ofa.visualization._extrapolated import extrapolated_marks, unknown_words
from optuna_ofa.visualization._front_axes import hover_words
from optuna_ofa.visualization._front_info import MAX_OTHERS
from optuna_ofa.visualization._origin import accuracy_words, axis_title, devices_of, origin_words
from optuna_ofa.visualization._style import BELOW, GREY, colour, finish, hovering, symbol


class AccuracyMacsInfo(NamedTuple):
    """The data of one study in a plot of accuracy over multiply-adds.

    Args:
        n_macs: ``(n,)`` multiply-adds of the subnets on the front.
        top1: ``(n,)`` their accuracies in percent.
        words: ``(n,)`` descriptions, shown when hovering.
        on_macs_front: ``(n,)`` whether no feasible subnet of the study has a better accuracy
            with at most as many multiply-adds.
        extrapolated: ``(n,)`` whether the accuracy is extrapolated.
        others: ``(m, 2)`` multiply-adds and accuracies of the other feasible subnets, at most
            4,000 of them.
        kind: Whether the accuracies are predicted or measured.
        origin: The front, which has its devices, and the time at which the last trial finished.
    """

    n_macs: NDArray[np.float64]
    top1: NDArray[np.float64]
    words: list[str]
    on_macs_front: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]
    others: NDArray[np.float64]
    kind: str
    origin: tuple[Front, datetime.datetime | None]


def accuracy_macs_info(
    studies: Findings | Mapping[str, Findings], *, kind: Kind | None = None
) -> dict[str, AccuracyMacsInfo]:
    """Collect the data of `plot_accuracy_macs`, by the name of a study."""
    snapshots, objectives = named_findings(studies, kind)
    if "top1" not in objectives:
        raise InvalidArgumentError(
            f"`studies` must have the objective top1, but have {', '.join(objectives)}."
        )
    kind = kind or kind_of([*snapshots.values()])
    return {name: _info(found, kind) for name, found in snapshots.items()}


def _info(found: Snapshot, kind: Kind | None) -> AccuracyMacsInfo:
    results, front = found.results(kind=kind), found.front(kind=kind)
    results = results.select(results.feasible)
    macs = CostPredictor("n_macs", found.space).predict(results.matrix)
    values = np.stack([macs, results.values[:, found.problem.objectives.index("top1")]], axis=1)
    best = nondominated(values * [1.0, -1.0])
    row = {number: i for i, number in enumerate(results.numbers.tolist())}
    rows = [row[p.trial_number] for p in front]
    others = np.delete(values, rows, axis=0)
    return AccuracyMacsInfo(
        values[rows, 0],
        values[rows, 1],
        [hover_words(p) for p in front],
        best[rows],
        np.array(["top1" in (p.extrapolated or ()) for p in front], dtype=bool),
        others[evenly(len(others), MAX_OTHERS)],
        front[0].kind,
        (front, found.finished),
    )


@checked
def plot_accuracy_macs(
    studies: Findings | Mapping[str, Findings], *, kind: Kind | None = None
) -> go.Figure:
    """Plot accuracy over multiply-adds of the subnets on fronts of other costs, such as latency.

    If latency were proportional to multiply-adds, a front would be one line here. Filled symbols
    are subnets that are also optimal in multiply-adds among those found. Extrapolated accuracies
    are marked as in `plot_front`.

    Args:
        studies: A study, or several with the same objectives by name.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: If the objectives differ, or accuracy is not one of them.
    """
    infos = accuracy_macs_info(studies, kind=kind)
    points = [point for info in infos.values() for point in info.origin[0]]
    figure = go.Figure()
    if len(infos) == 1:  # those of several studies would hide each other
        (info,) = infos.values()
        figure.add_scatter(
            x=info.others[:, 0] / 1e6,
            y=info.others[:, 1],
            mode="markers",
            name="other subnets",
            marker={"color": GREY, "size": 4, "opacity": 0.5},
            **hovering(None),
        )
    far = np.concatenate([i.extrapolated for i in infos.values()])
    places = np.concatenate([np.stack([i.n_macs / 1e6, i.top1]) for i in infos.values()], axis=1)
    figure.add_traces(extrapolated_marks(*places[:, far]))
    for i, (name, info) in enumerate(infos.items()):
        symbols = [symbol(i) if on else f"{symbol(i)}-open" for on in info.on_macs_front]
        share = f"{info.on_macs_front.sum()} of {len(info.top1)} best for multiply-adds"
        figure.add_scatter(
            x=info.n_macs / 1e6,
            y=info.top1,
            mode="markers",
            name=f"front of {name} ({share})",
            marker={"color": colour(i), "size": 6, "symbol": symbols},
            **hovering([f"{name}<br>{words}" for words in info.words]),
        )
    return finish(
        figure,
        "Accuracy by multiply-adds",
        "filled: no subnet found is better with the same number of multiply-adds or fewer",
        accuracy_words(points),
        origin_words(devices_of(points), (i.origin[1] for i in infos.values())),
        unknown_words(points),
        xaxis_title="Multiply-adds (millions), exact",
        yaxis_title=axis_title(METRICS["top1"], {info.kind for info in infos.values()}),
        showlegend=True,
        legend=BELOW,
    )

"""Accuracy over multiply-adds of what was found for latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import named_studies, nondominated
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import METRICS
from optuna_ofa.visualization._front_info import MAX_OTHERS, spread_out
from optuna_ofa.visualization._pareto_front import hover_words
from optuna_ofa.visualization._style import BELOW, GREY, PALETTE

if TYPE_CHECKING:
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


class AccuracyMacsInfo(NamedTuple):
    """What a drawing of accuracy over multiply-adds shows of one study.

    Args:
        n_macs: ``(n,)`` multiply-adds of the subnets on the front.
        top1: ``(n,)`` their accuracies in percent.
        words: ``(n,)`` each in words, for hovering.
        on_macs_front: ``(n,)`` whether no feasible subnet of the study has a better accuracy
            with at most as many multiply-adds.
        others: ``(m, 2)`` multiply-adds and accuracies of the other feasible subnets, at most
            4,000 of them.
    """

    n_macs: NDArray[np.float64]
    top1: NDArray[np.float64]
    words: list[str]
    on_macs_front: NDArray[np.bool_]
    others: NDArray[np.float64]


def accuracy_macs_info(
    studies: SubnetStudy | Mapping[str, SubnetStudy], *, kind: Kind | None = None
) -> dict[str, AccuracyMacsInfo]:
    """Collect what `plot_accuracy_macs` draws, by the name of a study.

    Args:
        studies: A study, or several of the same objectives by name.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: If a study has no feasible trial.
        InvalidArgumentError: If the objectives differ, or accuracy is none of them.
    """
    by_name, objectives = named_studies(studies, kind)
    if "top1" not in objectives:
        raise InvalidArgumentError(
            f"`studies` must have the objective top1, but have {', '.join(objectives)}."
        )
    return {name: _info(study, kind) for name, study in by_name.items()}


def _info(study: SubnetStudy, kind: Kind | None) -> AccuracyMacsInfo:
    results, front = study.results(kind=kind), study.front(kind=kind)
    results = results.select(results.feasible)
    macs = CostPredictor("n_macs", study.space).predict(results.matrix)
    values = np.stack([macs, results.values[:, study.problem.objectives.index("top1")]], axis=1)
    best = dict(zip(results.numbers.tolist(), nondominated(values * [1.0, -1.0]), strict=True))
    row = {number: i for i, number in enumerate(results.numbers.tolist())}
    rows = [row[p.trial_number] for p in front]
    others = np.delete(values, rows, axis=0)
    return AccuracyMacsInfo(
        values[rows, 0],
        values[rows, 1],
        [hover_words(p) for p in front],
        np.array([best[p.trial_number] for p in front], dtype=bool),
        others[spread_out(len(others), MAX_OTHERS)],
    )


def plot_accuracy_macs(
    studies: SubnetStudy | Mapping[str, SubnetStudy], *, kind: Kind | None = None
) -> go.Figure:
    """Draw accuracy over multiply-adds of the subnets on fronts of other costs, such as latency.

    Where multiply-adds were latency, a front would be one line here. Filled symbols are subnets
    that no found one beats on multiply-adds too.

    Args:
        studies: As in `accuracy_macs_info`.
        kind: As in `SubnetStudy.front`.

    Raises:
        EmptyFrontError: As `accuracy_macs_info`.
        InvalidArgumentError: As `accuracy_macs_info`.
    """
    infos = accuracy_macs_info(studies, kind=kind)
    traces = []
    if len(infos) == 1:  # those of several studies would hide each other
        (info,) = infos.values()
        traces.append(
            go.Scatter(
                x=info.others[:, 0] / 1e6,
                y=info.others[:, 1],
                mode="markers",
                name="other subnets",
                marker={"color": GREY, "size": 4, "opacity": 0.5},
                hoverinfo="skip",
            )
        )
    for i, (name, info) in enumerate(infos.items()):
        symbol = _SYMBOLS[i % len(_SYMBOLS)]
        share = f"{info.on_macs_front.sum()} of {len(info.top1)} best for multiply-adds"
        traces.append(
            go.Scatter(
                x=info.n_macs / 1e6,
                y=info.top1,
                mode="markers",
                name=f"front of {name} ({share})",
                hovertext=[f"{name}<br>{words}" for words in info.words],
                hoverinfo="text",
                marker={
                    "color": PALETTE[i % len(PALETTE)],
                    "size": 6,
                    "symbol": [symbol if on else f"{symbol}-open" for on in info.on_macs_front],
                },
            )
        )
    figure = go.Figure(traces)
    figure.update_xaxes(title="Multiply-adds (millions)")
    figure.update_yaxes(title=METRICS["top1"].axis)
    return figure.update_layout(
        title="Accuracy by multiply-adds<br><sup>filled: no found subnet is better with as many "
        "multiply-adds or fewer</sup>",
        template="plotly_white",
        showlegend=True,
        legend=BELOW,
    )

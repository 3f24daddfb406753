"""Accuracies and losses of a training run by phase."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.visualization._style import BELOW, GREY, PALETTE, finish, hovering

if TYPE_CHECKING:
    from optuna_ofa.training import TrainingHistory

Curve = NDArray[np.float64]


class TrainingInfo(NamedTuple):
    """The data of a plot of a training run.

    Args:
        steps: ``(n,)`` numbers of steps done at each line of the log.
        loss: ``(n,)`` mean losses since the previous line.
        evaluated: ``(m,)`` steps after which subnets were evaluated.
        top1: ``(m,)`` accuracies in percent by name: ``smallest``, ``largest``, and each random
            subnet that is tracked.
        phases: The last step of each phase by name, in order; a phase that occurs again has a
            number after its name.
    """

    steps: NDArray[np.int64]
    loss: Curve
    evaluated: NDArray[np.int64]
    top1: dict[str, Curve]
    phases: dict[str, int]


def training_info(history: TrainingHistory) -> TrainingInfo:
    """Collect the data of `plot_training`."""
    entries = history.entries
    if not entries:
        raise InvalidArgumentError("`history` must have at least one entry, but has none.")
    evaluated = [entry for entry in entries if entry.top1]
    top1 = np.array([entry.top1 for entry in evaluated]).T
    phases: dict[str, int] = {}
    names: list[str] = []
    for phase, logged in groupby(entries, key=lambda entry: entry.phase):
        names.append(phase)
        n = names.count(phase)
        *_, last = logged
        phases[f"{phase} ({n})" if n > 1 else phase] = last.step
    return TrainingInfo(
        np.array([entry.step for entry in entries]),
        np.array([entry.loss for entry in entries]),
        np.array([entry.step for entry in evaluated], dtype=np.int64),
        dict(zip(history.names, top1, strict=False)),
        phases,
    )


@checked
def plot_training(history: TrainingHistory) -> go.Figure:
    """Plot the accuracy of the smallest, the largest and random subnets, and the loss, by phase.

    Random subnets are shown by their mean (a line) and their range (an area).

    Args:
        history: The result of `optuna_ofa.training.train`.

    Raises:
        InvalidArgumentError: If nothing was logged.
    """
    info = training_info(history)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06
    )
    figure.add_traces(_accuracies(info))
    figure.add_scatter(
        x=info.steps,
        y=info.loss,
        name="loss",
        mode="lines+markers",
        line={"color": "#555555", "width": 1.5},
        marker={"size": 4},
        showlegend=False,
        row=2,
        col=1,
    )
    figure.update_xaxes(title="Steps", rangemode="tozero", row=2)
    figure.update_yaxes(title="Top-1 accuracy (%)", row=1)
    figure.update_yaxes(title="Loss", row=2)
    _draw_phases(figure, info)
    n = len(history.subnets) - 2
    return finish(
        figure,
        f"Training of {history.subnets[0].family.name}",
        f"{info.steps[-1]:,} steps, {len(info.phases)} phases; random subnets tracked: {n}",
        legend=BELOW,
        margin={"t": 96},
    )


def _accuracies(info: TrainingInfo) -> list[go.Scatter]:
    random = np.array([values for name, values in info.top1.items() if name.startswith("random")])
    traces = []
    if len(random):
        low, high = random.min(axis=0), random.max(axis=0)
        traces.append(
            go.Scatter(
                x=[*info.evaluated, *info.evaluated[::-1]],
                y=[*high, *low[::-1]],
                fill="toself",
                fillcolor="rgba(0,158,115,0.18)",
                line={"width": 0},
                mode="lines",
                name="range of random subnets",
                **hovering(None),
            )
        )
    lines = {
        "largest": info.top1.get("largest"),
        "smallest": info.top1.get("smallest"),
        "mean of random subnets": random.mean(axis=0) if len(random) else None,
    }
    dashes = ("solid", "dash", "solid")
    for (name, values), colour, dash in zip(lines.items(), PALETTE, dashes, strict=False):
        if values is not None:
            traces.append(
                go.Scatter(
                    x=info.evaluated,
                    y=values,
                    name=name,
                    mode="lines+markers",
                    line={"color": colour, "width": 2, "dash": dash},
                    marker={"size": 6},
                    hovertemplate=f"{name}<br>%{{x:,}} steps: %{{y:.2f}} %<extra></extra>",
                )
            )
    return traces


def _draw_phases(figure: go.Figure, info: TrainingInfo) -> None:
    """Draw the boundaries and names of phases; names of narrow phases are slanted."""
    begin, total = 0, max(info.phases.values())
    for name, end in info.phases.items():
        if end < total:
            figure.add_vline(end, line={"color": GREY, "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=(begin + end) / 2,
            y=1.0,
            yref="paper",
            yanchor="bottom",
            text=name,
            showarrow=False,
            textangle=0 if end - begin >= total / 8 else -35,
            font={"size": 11, "color": "#444444"},
        )
        begin = end

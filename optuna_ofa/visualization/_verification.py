"""Predicted and measured, joined for each subnet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import Metric, significant
from optuna_ofa.visualization._pareto_front import across_and_up
from optuna_ofa.visualization._style import (
    GREY,
    PALETTE,
    error_bars,
    finish,
    hovering,
    value_range,
    wrapped,
)

if TYPE_CHECKING:
    from optuna_ofa.verification import Verification, VerifiedPoint

_PREDICTED, _MEASURED = PALETTE[:2]


class VerificationInfo(NamedTuple):
    """The data of a drawing of a verification.

    Args:
        across: The metric of the horizontal axis, the cost.
        up: The metric of the vertical axis.
        is_measured: Whether each of the two was measured; if not, predictions stand for it.
        predicted: ``(n, 2)`` predictions, across and up; NaN where nothing predicts.
        measured: ``(n, 2)`` measurements.
        std: ``(n, 2)`` their standard deviations, NaN where they are not known.
        overestimated: ``(n,)`` which are worse than the 90 % interval of a prediction.
        front: ``(m, 2)`` the front of all measured subnets of the study, ascending.
        words: Of each subnet, for hovering.
    """

    across: str
    up: str
    is_measured: tuple[bool, bool]
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    std: NDArray[np.float64]
    overestimated: NDArray[np.bool_]
    front: NDArray[np.float64]
    words: tuple[str, ...]


def verification_info(
    verification: Verification, *, metrics: tuple[str, str] | None = None
) -> VerificationInfo:
    """Collect the data of `plot_verification`."""
    if not len(verification):
        raise InvalidArgumentError("`verification` must have points, but it has none.")
    objectives = verification.front.objectives
    chosen = objectives if metrics is None else metrics
    if len(chosen) != 2 or not set(chosen) <= set(objectives):
        raise InvalidArgumentError(
            f"`metrics` must be two of the objectives {', '.join(objectives)}, but got "
            f"{', '.join(chosen)}."
        )
    axes = across_and_up({m: verification.front.metrics[m] for m in chosen})
    points = verification.points
    complete = tuple(all(m in p.measured for p in points) for m in axes)
    return VerificationInfo(
        *axes,
        (complete[0], complete[1]),
        np.array([[p.predicted.get(m, np.nan) for m in axes] for p in points]),
        np.array([[{**p.predicted, **p.measured}[m] for m in axes] for p in points]),
        np.array([[p.measured_std.get(m, np.nan) for m in axes] for p in points]),
        np.array([p in verification.overestimated for p in points], dtype=bool),
        np.array(sorted([f.values[m] for m in axes] for f in verification.front)).reshape(-1, 2),
        tuple(_words(p, verification.metrics, verification.units) for p in points),
    )


def _words(point: VerifiedPoint, metrics: tuple[str, ...], units: Mapping[str, Metric]) -> str:
    lines = []
    for m in (m for m in metrics if m in point.measured):
        number = units[m].number
        predicted = "not predicted"
        if m in point.predicted:
            text = number(point.predicted[m], point.predicted_std.get(m))
            predicted = f"{text} predicted"
        measured = number(point.measured[m], point.measured_std.get(m))
        lines.append(f"{m} {predicted}, {measured} measured")
    return "<br>".join([*lines, *str(point.subnet).split(" | ")])


@checked
def plot_verification(
    verification: Verification, *, metrics: tuple[str, str] | None = None
) -> go.Figure:
    """Draw what was predicted and what was measured of each subnet, joined by a line.

    Crosses are measurements that are worse than the 90 % interval of the prediction, bars their
    own standard deviations, which count in that interval.

    Args:
        verification: The result of `SubnetStudy.verify`.
        metrics: The two objectives to draw; None takes those that there are if they are two.

    Raises:
        InvalidArgumentError: If there is no point, or not two objectives.
    """
    info = verification_info(verification, metrics=metrics)
    figure = go.Figure([_joints(info), _front(info), _predicted(info), *_measured(info)])
    for axis, metric, is_measured in (
        (figure.update_xaxes, info.across, info.is_measured[0]),
        (figure.update_yaxes, info.up, info.is_measured[1]),
    ):
        axis(title=verification.units[metric].axis + ("" if is_measured else ", predicted"))
    _keep_long_bars_out(figure, info)
    n, n_worse = len(info.predicted), int(info.overestimated.sum())
    failed = f", {len(verification.failures)} failed" if verification.failures else ""
    errors = [
        f"{m}: MAPE {significant(e.mape)} %, mean error "
        f"{significant(e.mean_error, sign='+')} {verification.units[m].difference_unit}".rstrip()
        for m, e in verification.errors.items()
    ]
    notes = [wrapped(note) for note in verification.notes]
    return finish(
        figure,
        f"{n} subnet{'s' * (n > 1)}, predicted and measured{failed}",
        f"{n_worse} measured worse than the 90 % interval of a prediction",
        "; ".join(errors),
        *notes,
        margin={"t": 110 + 20 * sum(note.count("<br>") + 1 for note in notes)},
        legend={"orientation": "h", "y": -0.18},
    )


def _keep_long_bars_out(figure: go.Figure, info: VerificationInfo) -> None:
    """Keep the axes at the values where an error bar would press them together."""
    nothing = np.full_like(info.predicted, np.nan)
    values = np.concatenate([info.predicted, info.measured, info.front])
    std = np.concatenate([nothing, info.std, np.full_like(info.front, np.nan)])
    for j, axis in enumerate((figure.update_xaxes, figure.update_yaxes)):
        kept = value_range(values[:, j], std[:, j])
        if kept is not None:
            axis(range=kept)


def _joints(info: VerificationInfo) -> go.Scatter:
    gap = np.full_like(info.predicted, np.nan)
    lines = np.stack([info.predicted, info.measured, gap], axis=1).reshape(-1, 2)
    return go.Scatter(
        x=lines[:, 0],
        y=lines[:, 1],
        mode="lines",
        showlegend=False,
        line={"color": GREY, "width": 1.5},
        **hovering(None),
    )


def _front(info: VerificationInfo) -> go.Scatter:
    return go.Scatter(
        x=info.front[:, 0],
        y=info.front[:, 1],
        mode="lines",
        name=f"measured front ({len(info.front)} subnets)",
        line={"color": _MEASURED, "width": 1, "shape": "hv"},
        **hovering(None),
    )


def _predicted(info: VerificationInfo) -> go.Scatter:
    return go.Scatter(
        x=info.predicted[:, 0],
        y=info.predicted[:, 1],
        mode="markers",
        name="predicted",
        marker={"color": _PREDICTED, "symbol": "circle-open", "size": 8},
        **hovering(info.words),
    )


def _measured(info: VerificationInfo) -> list[go.Scatter]:
    kinds = (
        (~info.overestimated, "measured", "circle"),
        (info.overestimated, "measured, worse than its interval", "x"),
    )
    return [
        go.Scatter(
            x=info.measured[which, 0],
            y=info.measured[which, 1],
            mode="markers",
            name=name,
            marker={"color": _MEASURED, "symbol": symbol, "size": 8},
            error_x=error_bars(info.std[which, 0]),
            error_y=error_bars(info.std[which, 1]),
            **hovering([w for w, shown in zip(info.words, which, strict=True) if shown]),
        )
        for which, name, symbol in kinds
        if which.any()
    ]

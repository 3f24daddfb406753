"""Predicted and measured, joined for each subnet."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import MEASURED, PREDICTED, Metric, significant
from optuna_ofa.visualization._extrapolated import extrapolated_marks
from optuna_ofa.visualization._front_axes import across_and_up, steps_of
from optuna_ofa.visualization._origin import accuracy_words, devices_of, origin_words
from optuna_ofa.visualization._style import (
    BELOW,
    GREY,
    PALETTE,
    error_bars,
    finish,
    hovering,
    keep_long_bars_out,
)

if TYPE_CHECKING:
    from optuna_ofa.verification import Verification, VerifiedPoint

_PREDICTED, _MEASURED = PALETTE[:2]


class VerificationInfo(NamedTuple):
    """The data of a plot of a verification.

    Args:
        across: The metric of the horizontal axis, the cost.
        up: The metric of the vertical axis.
        sources: For each subnet, the kinds of the two values in ``measured``: ``measured``,
            ``exact``, or ``predicted`` if one was not measured.
        predicted: ``(n, 2)`` predictions, horizontal and vertical; NaN where there is none.
        measured: ``(n, 2)`` measurements, or exact or predicted values in their place.
        std: ``(n, 2)`` their standard deviations, NaN if unknown.
        overestimated: ``(n,)`` whether they are worse than the 90 % interval of a prediction.
        extrapolated: ``(n,)`` whether one of the two predictions is extrapolated.
        steps: Plotly's shape for the line of the front.
        front: ``(m, 2)`` the front of all measured subnets of the study, ascending.
        words: A description of each subnet, shown when hovering.
    """

    across: str
    up: str
    sources: tuple[tuple[str, str], ...]
    predicted: NDArray[np.float64]
    measured: NDArray[np.float64]
    std: NDArray[np.float64]
    overestimated: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]
    steps: str
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
    axes = x, y = across_and_up({m: verification.front.metrics[m] for m in chosen})
    points, units = verification.points, verification.units
    named = dict.fromkeys((*verification.metrics, *(m for m in axes if not units[m].is_exact)))
    return VerificationInfo(
        *axes,
        tuple((_source(p, x, verification), _source(p, y, verification)) for p in points),
        np.array([[p.predicted.get(m, np.nan) for m in axes] for p in points]),
        np.array([[{**p.predicted, **p.measured}[m] for m in axes] for p in points]),
        np.array([[p.measured_std.get(m, np.nan) for m in axes] for p in points]),
        np.array([p in verification.overestimated for p in points], dtype=bool),
        np.array([any(map(p.is_extrapolated, axes)) for p in points], dtype=bool),
        steps_of(verification.front.metrics[axes[0]]),
        np.array(sorted([f.values[m] for m in axes] for f in verification.front)).reshape(-1, 2),
        tuple(_words(p, named, verification.units) for p in points),
    )


def _source(point: VerifiedPoint, metric: str, verification: Verification) -> str:
    """Return the kind of the value that is shown as the measurement."""
    if metric in verification.metrics and metric in point.measured:
        return MEASURED
    return verification.units[metric].source(PREDICTED)


def _words(point: VerifiedPoint, metrics: Iterable[str], units: Mapping[str, Metric]) -> str:
    lines = []
    for m in metrics:
        texts = [
            f"{units[m].number(values[m], std.get(m))} {kind}" if m in values else f"not {kind}"
            for kind, values, std in (
                (PREDICTED, point.predicted, point.predicted_std),
                (MEASURED, point.measured, point.measured_std),
            )
        ]
        if point.is_extrapolated(m):
            texts[0] += " (extrapolated)"
        if m in point.n_images:
            texts[1] += f" on {point.n_images[m]:,} images"
        lines.append(f"{m} {', '.join(texts)}")
    return "<br>".join([*lines, *str(point.subnet).split(" | ")])


@checked
def plot_verification(
    verification: Verification, *, metrics: tuple[str, str] | None = None
) -> go.Figure:
    """Plot the predicted and the measured values of each subnet, joined by a line.

    Crosses are measurements that are worse than the 90 % interval of the prediction, squares mark
    predictions that are extrapolated. Error bars are
    standard deviations of the measurements, which that interval includes. Notes on the
    errors are in the printed verification.

    Args:
        verification: The result of `SubnetStudy.verify`.
        metrics: The two objectives to plot; None uses the study's objectives if it has two.

    Raises:
        InvalidArgumentError: If there are no points, or not exactly two objectives.
    """
    info = verification_info(verification, metrics=metrics)
    across, up = (verification.units[m] for m in (info.across, info.up))
    marks = extrapolated_marks(*info.predicted[info.extrapolated].T)
    measured = _measured(info, (across.title, up.title))
    figure = go.Figure([_joints(info), _front(info), *marks, _predicted(info), *measured])
    figure.update_xaxes(title=_axis(across, [x for x, _ in info.sources]))
    figure.update_yaxes(title=_axis(up, [y for _, y in info.sources]))
    keep_long_bars_out(figure)
    n, n_worse = len(info.predicted), int(info.overestimated.sum())
    failed = f", {len(verification.failures)} failed" if verification.failures else ""
    errors = [f"{m} {significant(e.mape)} %" for m, e in verification.errors.items()]
    family = verification.points[0].subnet.family.name
    return finish(
        figure,
        f"{family}: {n} subnet{'s' * (n > 1)}, predicted and measured{failed}",
        f"{n_worse} worse than the 90 % interval" + f"; MAPE {', '.join(errors)}" * bool(errors),
        accuracy_words(verification),
        origin_words(devices_of(verification.front), [verification.finished]),
        legend=BELOW,
    )


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
        line={"color": _MEASURED, "width": 1, "shape": info.steps},
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


def _axis(metric: Metric, sources: Collection[str]) -> str:
    """Return the title of an axis, with the kinds of its values if not all were measured."""
    of = ", ".join(sorted(set(sources)))
    return metric.axis if of == MEASURED else f"{metric.axis}, {of}"


def _measured(info: VerificationInfo, titles: tuple[str, str]) -> list[go.Scatter]:
    kinds = []
    for sources in dict.fromkeys(info.sources):
        if MEASURED not in sources:
            continue
        of = np.array([s == sources for s in info.sources])
        named = zip(titles, sources, strict=True)
        name = MEASURED
        if PREDICTED in sources:  # one of two was measured
            name = ", ".join(f"{title.lower()} {source}" for title, source in named)
        symbol = "diamond" if PREDICTED in sources else "circle"
        kinds.append((of & ~info.overestimated, name, symbol))
        kinds.append((of & info.overestimated, f"{name}; worse than its interval", "x"))
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

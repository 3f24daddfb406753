"""Drawings of a latency report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.profiling import MACS, LatencyReport
from optuna_ofa.visualization._style import BELOW, PALETTE


class MacsInfo(NamedTuple):
    """What a drawing of latency over multiply-adds shows.

    Args:
        n_macs: ``(n,)`` multiply-adds.
        latency_ms: ``(n,)`` measured milliseconds.
        kernel: ``(n,)`` mean kernel size of the blocks, weighted equally; NaN where kernels are
            not elastic.
    """

    n_macs: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    kernel: NDArray[np.float64]


def macs_info(report: LatencyReport) -> MacsInfo:
    """Collect what `plot_macs_latency` draws."""
    measured = report.measurements
    macs = CostPredictor("n_macs", measured.space).predict(measured.matrix)
    columns = list(measured.space.family.columns("kernel"))
    kernels = measured.matrix[:, columns].astype(float)
    present = np.maximum((kernels > 0).sum(axis=1), 1)
    mean = kernels.sum(axis=1) / present if columns else np.full(len(measured), np.nan)
    return MacsInfo(macs, measured.latency_ms, mean)


def plot_predicted_latency(report: LatencyReport, *, name: str | None = None) -> go.Figure:
    """Draw predicted against measured latencies, with the identity and a band of 5 percent.

    Args:
        report: The report.
        name: The predictor; None draws all of them, without multiply-adds.

    Raises:
        InvalidArgumentError: If there is no predictor of that name.
    """
    names = [n for n in report.predicted_ms if n != MACS] if name is None else [name]
    unknown = [n for n in names if n not in report.predicted_ms]
    if unknown:
        raise InvalidArgumentError(
            f"`name` must be one of {', '.join(report.predicted_ms)}, but got {unknown[0]!r}."
        )
    measured = report.measurements.latency_ms
    ends = np.array([0.95 * measured.min(), 1.05 * measured.max()])
    band = go.Scatter(
        x=[*ends, *ends[::-1]],
        y=[*(1.05 * ends), *(0.95 * ends[::-1])],
        fill="toself",
        mode="lines",
        fillcolor="rgba(0,0,0,0.08)",
        line={"width": 0},
        name="within 5 %",
        hoverinfo="skip",
    )
    identity = go.Scatter(
        x=ends,
        y=ends,
        mode="lines",
        name="as measured",
        hoverinfo="skip",
        line={"color": "#555555", "width": 1, "dash": "dash"},
    )
    points = [
        go.Scatter(
            x=measured,
            y=report.predicted_ms[n],
            mode="markers",
            name=f"{n}: MAPE {report[n].mape:.1f} %, tau {report[n].kendall:.3f}",
            marker={"size": 6, "color": PALETTE[i % len(PALETTE)], "opacity": 0.8},
        )
        for i, n in enumerate(names)
    ]
    figure = go.Figure([band, identity, *points])
    figure.update_xaxes(title="Measured latency (ms)")
    figure.update_yaxes(title="Predicted latency (ms)")
    return _finished(figure, report, f"{len(measured)} subnets that no prediction has seen")


def plot_macs_latency(report: LatencyReport | Mapping[str, LatencyReport]) -> go.Figure:
    """Draw measured latency over multiply-adds.

    Args:
        report: The report of one device, whose subnets are coloured by their mean kernel size, or
            those of several by name, which have a colour each.

    Raises:
        InvalidArgumentError: If there is no report.
    """
    if isinstance(report, LatencyReport):
        figure = go.Figure([_one_device(macs_info(report))])
        words = f"predicted from multiply-adds: {_macs_words(report)}"
        _finished(figure, report, words)
    else:
        if not report:
            raise InvalidArgumentError("`report` must have at least one report, but got none.")
        figure = go.Figure([_device(i, *item) for i, item in enumerate(report.items())])
        note = "errors are those of latencies predicted from multiply-adds"
        figure.update_layout(
            title=f"Latency by multiply-adds<br><sup>{note}</sup>",
            template="plotly_white",
            showlegend=True,
            legend=BELOW,
        )
    figure.update_xaxes(title="Multiply-adds (millions)")
    figure.update_yaxes(title="Measured latency (ms)", rangemode="tozero")
    return figure


def _one_device(info: MacsInfo) -> go.Scatter:
    marker: dict[str, object] = {"size": 7, "color": PALETTE[0]}
    if np.isfinite(info.kernel).any():
        marker.update(
            color=info.kernel,
            colorscale="Viridis",
            showscale=True,
            colorbar={"title": {"text": "mean<br>kernel"}},
        )
    return go.Scatter(
        x=info.n_macs / 1e6, y=info.latency_ms, mode="markers", marker=marker, showlegend=False
    )


def _device(i: int, name: str, report: LatencyReport) -> go.Scatter:
    info = macs_info(report)
    marker = {
        "size": 6,
        "color": PALETTE[i % len(PALETTE)],
        "opacity": 0.8,
        "symbol": ("circle", "square", "diamond", "triangle-up", "x")[i % 5],
    }
    return go.Scatter(
        x=info.n_macs / 1e6,
        y=info.latency_ms,
        mode="markers",
        marker=marker,
        name=f"{name}: {_macs_words(report)}",
    )


def _macs_words(report: LatencyReport) -> str:
    row = report[MACS]
    return f"MAPE {row.mape:.1f} %, tau {row.kendall:.3f}"


def _finished(figure: go.Figure, report: LatencyReport, note: str) -> go.Figure:
    setup = report.measurements.setup
    family = report.measurements.space.family.name
    return figure.update_layout(
        title=f"{family} on {setup.get('runtime')}<br><sup>{note}</sup>",
        template="plotly_white",
        legend=BELOW,
    )

"""Plots of a latency report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import Conditions, CostPredictor
from optuna_ofa.visualization._style import BELOW, PALETTE, colour, finish, hovering, symbol

if TYPE_CHECKING:
    from optuna_ofa.profiling import LatencyReport


class MacsInfo(NamedTuple):
    """The data of a plot of latency over multiply-adds.

    Args:
        n_macs: ``(n,)`` multiply-adds.
        latency_ms: ``(n,)`` measured latencies in milliseconds.
        kernel: ``(n,)`` mean kernel size over the blocks; NaN if kernels are not elastic.
    """

    n_macs: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    kernel: NDArray[np.float64]


def macs_info(report: LatencyReport) -> MacsInfo:
    """Collect the data of `plot_macs_latency`."""
    measured = report.measurements
    macs = CostPredictor("n_macs", measured.space).predict(measured.matrix)
    columns = list(measured.space.family.columns("kernel"))
    kernels = measured.matrix[:, columns].astype(float)
    present = np.maximum((kernels > 0).sum(axis=1), 1)
    mean = kernels.sum(axis=1) / present if columns else np.full(len(measured), np.nan)
    return MacsInfo(macs, measured.latency_ms, mean)


@checked
def plot_predicted_latency(report: LatencyReport, *, name: str | None = None) -> go.Figure:
    """Plot predicted against measured latencies, with the identity and a band of ±5 %.

    Args:
        report: The report.
        name: The predictor; None plots all of them except multiply-adds.

    Raises:
        InvalidArgumentError: If there is no predictor with that name.
    """
    from optuna_ofa.profiling import MACS  # needs torch

    names = [n for n in report.predicted_ms if n != MACS] if name is None else [name]
    unknown = [n for n in names if n not in report.predicted_ms]
    if unknown:
        raise InvalidArgumentError(
            f"`name` must be one of {', '.join(report.predicted_ms)}, but got {unknown[0]!r}."
        )
    measured = report.measurements.latency_ms
    ends = np.array([0.95 * measured.min(), 1.05 * measured.max()])
    figure = go.Figure()
    figure.add_scatter(
        x=[*ends, *ends[::-1]],
        y=[*(1.05 * ends), *(0.95 * ends[::-1])],
        fill="toself",
        mode="lines",
        fillcolor="rgba(0,0,0,0.08)",
        line={"width": 0},
        name="within 5 %",
        **hovering(None),
    )
    subnets = _subnets(report)
    dashed = {"color": "#555555", "width": 1, "dash": "dash"}
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="predicted = measured", line=dashed, **hovering(None)
    )
    for i, n in enumerate(names):
        figure.add_scatter(
            x=measured,
            y=report.predicted_ms[n],
            mode="markers",
            name=f"{n}: MAPE {report[n].mape:.1f} %, tau {report[n].kendall:.3f}",
            marker={"size": 6, "color": colour(i), "opacity": 0.8},
            customdata=subnets,
            hovertemplate="predicted %{y:.4g} ms, measured %{x:.4g} ms<br>%{customdata}",
        )
    return finish(
        figure,
        f"{_family(report)}: predicted and measured latency",
        f"{len(measured)} subnets that no predictor was fitted to",
        f"measured on {_device(report)}",
        xaxis_title="Measured latency (ms)",
        yaxis_title="Predicted latency (ms)",
        legend=BELOW,
    )


@checked
def plot_macs_latency(report: LatencyReport | Mapping[str, LatencyReport]) -> go.Figure:
    """Plot measured latency over multiply-adds.

    Args:
        report: The report of one device, with subnets coloured by mean kernel size; or the reports
            of several devices by name, with one colour each.

    Raises:
        InvalidArgumentError: If there is no report.
    """
    figure = go.Figure()
    if not isinstance(report, Mapping):
        title = f"{_family(report)}: latency by multiply-adds"
        notes = [
            f"predicted from multiply-adds: {_errors(report)}",
            f"measured on {_device(report)}",
        ]
        info = macs_info(report)
        _add_points(figure, info, _by_kernel(info.kernel), showlegend=False)
    else:
        if not report:
            raise InvalidArgumentError("`report` must have at least one report, but got none.")
        families = dict.fromkeys(map(_family, report.values()))
        title = f"{', '.join(families)}: latency by multiply-adds"
        notes = ["errors are those of latencies predicted from multiply-adds"]
        notes += [f"{name}: {_device(of)}" for name, of in report.items()]
        for i, (name, of) in enumerate(report.items()):
            marker = {"size": 6, "color": colour(i), "opacity": 0.8, "symbol": symbol(i)}
            _add_points(figure, macs_info(of), marker, name=f"{name}: {_errors(of)}")
        figure.update_layout(showlegend=True)
    figure.update_xaxes(title="Multiply-adds (millions), exact")
    figure.update_yaxes(title="Measured latency (ms)", rangemode="tozero")
    return finish(figure, title, *notes, legend=BELOW)


def _by_kernel(kernel: NDArray[np.float64]) -> dict[str, object]:
    if not np.isfinite(kernel).any():
        return {"size": 7, "color": PALETTE[0]}
    bar = {"title": {"text": "mean<br>kernel"}}
    scale = {"colorscale": "Viridis", "showscale": True, "colorbar": bar}
    return {"size": 7, "color": kernel, **scale}


def _add_points(
    figure: go.Figure, info: MacsInfo, marker: Mapping[str, object], **trace: object
) -> None:
    figure.add_scatter(
        x=info.n_macs / 1e6, y=info.latency_ms, mode="markers", marker=marker, **trace
    )


def _errors(report: LatencyReport) -> str:
    from optuna_ofa.profiling import MACS

    row = report[MACS]
    return f"MAPE {row.mape:.1f} %, tau {row.kendall:.3f}"


def _subnets(report: LatencyReport) -> list[str]:
    """Return the subnets in lines, for hovering."""
    measured = report.measurements
    of = measured.space.from_matrix(measured.matrix)
    return [str(subnet).replace(" | ", "<br>") for subnet in of]


def _family(report: LatencyReport) -> str:
    return report.measurements.space.family.name


def _device(report: LatencyReport) -> str:
    return str(Conditions.of(report.measurements.setup))

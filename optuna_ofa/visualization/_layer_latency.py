"""The latency of a subnet by layer."""

from __future__ import annotations

import datetime
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.predictors import Conditions, LatencyTable
from optuna_ofa.problem import METRICS
from optuna_ofa.space import Layer, SearchSpace, Subnet, subnet_layers
from optuna_ofa.visualization._architecture import layer_words
from optuna_ofa.visualization._origin import last_date
from optuna_ofa.visualization._style import (
    BELOW,
    GREY,
    error_bars,
    finish,
    hovering,
    kernel_colour,
    value_range,
)

_MS = METRICS["latency_ms"]


class LayerLatencyInfo(NamedTuple):
    """The data of a plot of a subnet's latency by layer.

    Args:
        layers: ``n`` layers from input to output, without those that the table counts as part of
            another layer.
        mean_ms: ``(n,)`` mean latencies in milliseconds.
        std_ms: ``(n,)`` standard deviation of single runs in milliseconds; NaN where unknown.
        total_ms: Sum of the means.
        total_std_ms: The standard deviations added in quadrature; NaN if one is unknown.
    """

    layers: tuple[Layer, ...]
    mean_ms: NDArray[np.float64]
    std_ms: NDArray[np.float64]
    total_ms: float
    total_std_ms: float


def layer_latency_info(table: LatencyTable, subnet: Subnet) -> LayerLatencyInfo:
    """Collect the data of `plot_layer_latency`."""
    space = SearchSpace(subnet.family, resolution=subnet.resolution)
    table.require(space)
    table = table.fill(space)
    n_classes = subnet.family.head.n_classes
    priced = [(x, table.layer(x, subnet.resolution, n_classes)) for x in subnet_layers(subnet)]
    shown = [(layer, entry) for layer, entry in priced if entry.mean_ms > 0]
    mean = np.array([entry.mean_ms for _, entry in shown])
    std = np.array([entry.std_ms for _, entry in shown])
    layers = tuple(layer for layer, _ in shown)
    return LayerLatencyInfo(layers, mean, std, float(mean.sum()), float(np.linalg.norm(std)))


@checked
def plot_layer_latency(table: LatencyTable, subnet: Subnet) -> go.Figure:
    """Plot the latency of each layer of a subnet, coloured by kernel size.

    Error bars show the standard deviation of single runs if the table has it. The axis is scaled to
    the latencies, so that long error bars may be cut off.

    Args:
        table: The table; one that interpolates is filled in at the subnet's resolution.
        subnet: The subnet.

    Raises:
        FamilyMismatchError: If the table is for another architecture or width.
        InvalidArgumentError: If the table lacks the subnet's resolution.
        MissingEntryError: If the table lacks a layer.
    """
    info = layer_latency_info(table, subnet)
    kernels = np.array([x.kernel if x.role == "block" else 0 for x in info.layers])
    figure = go.Figure([_bars(info, kernels == k, k) for k in sorted({*kernels.tolist()})])
    ticks = [_tick(x) for x in info.layers]
    figure.update_xaxes(title="Layer", tickvals=[*range(len(ticks))], ticktext=ticks, tickangle=-60)
    figure.update_yaxes(title="Latency (ms)", rangemode="tozero")
    kept = value_range(np.append(info.mean_ms, 0.0), np.append(info.std_ms, 0.0))
    if kept is not None:
        figure.update_yaxes(range=[0, kept[1]])
    device, date = Conditions.of(table.metadata), _date(table.metadata.get("date"))
    return finish(
        figure,
        f"Latency by layer: {_MS.text(info.total_ms, info.total_std_ms)} in {len(ticks)} layers",
        str(subnet),
        f"table of {device}" + f", {date}" * bool(date),
        bargap=0.15,
        legend=BELOW,
        margin={"b": 150},
    )


def _date(text: object) -> str:
    """Return the date of a table as text; empty if it has none."""
    try:
        return last_date([datetime.datetime.fromisoformat(str(text))])
    except ValueError:
        return ""


def _bars(info: LayerLatencyInfo, which: NDArray[np.bool_], kernel: int) -> go.Bar:
    places = np.flatnonzero(which).tolist()
    share = 100 * info.mean_ms / info.total_ms
    times = [_MS.text(info.mean_ms[i], info.std_ms[i]) for i in places]
    hover = [
        f"{ms}, {share[i]:.1f} % of the subnet<br>{layer_words(info.layers[i])}"
        for i, ms in zip(places, times, strict=True)
    ]
    std = info.std_ms[which]
    return go.Bar(
        x=places,
        y=info.mean_ms[which],
        name=f"{kernel}x{kernel}" if kernel else "stem and head",
        width=0.85,
        marker={"color": kernel_colour(kernel) if kernel else GREY},
        error_y=error_bars(std, width=2, color="#444444"),
        **hovering(hover),
    )


def _tick(layer: Layer) -> str:
    if layer.role != "block":
        return layer.role.replace("_", " ")
    return f"k{layer.kernel}e{layer.ratio:.3g} {layer.out_channels}@{layer.out_size}"

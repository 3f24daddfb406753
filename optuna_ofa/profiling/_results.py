"""The results of a device: reading, checking, and the latency of each graph."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import JsonFormat
from optuna_ofa._plausible import plausible, rule_of
from optuna_ofa._values import array
from optuna_ofa.exceptions import FormatError
from optuna_ofa.profiling._graph_folder import Graph
from optuna_ofa.profiling.on_device import RESULTS

FORMAT = JsonFormat("optuna_ofa.results", version=1, argument="folder")
MEASURED_MB = 256  # largest results that are measured here: many rounds of many layers
# the entries that identify a device, its runtime and settings
SETUP = ("runtime", "versions", "settings", "clock", "processor")
# 0.7413 times the interquartile range estimates a standard deviation, robust to outliers
IQR_TO_STD = 0.7413


class Timing(NamedTuple):
    """The latency of one graph.

    Args:
        latency_ms: Median of the ratio to the anchor of the same round, times the anchor's median,
            which removes drift of the device.
        min_ms: The fastest round by the same clock, drift included.
        std_ms: Standard deviation of a round, from the quartiles.
        wall_ms: Median by the wall clock.
        n_rounds: Number of rounds.
        layer_ms: ``(n_runs, n_layers)`` times of the layers, None where there is no profile.
    """

    latency_ms: float
    min_ms: float
    std_ms: float
    wall_ms: float
    n_rounds: int
    layer_ms: NDArray[np.float64] | None = None


class Results(NamedTuple):
    """The results of a device.

    Args:
        setup: Runtime, versions, settings, clock and processor.
        date: The beginning of the measurement (ISO 8601).
        anchor_ms: Median latency of the anchor in all batches.
        timings: By file.
        failures: Reasons why the runtime failed, by file.
    """

    setup: Mapping[str, Any]
    date: str
    anchor_ms: float
    timings: Mapping[str, Timing]
    failures: Mapping[str, str]

    @property
    def clock(self) -> str:
        """The clock that latencies are read from, ``"cpu"`` or ``"wall"``."""
        return str(self.setup["clock"])

    @property
    def relative_std(self) -> float:
        """Median over graphs of the relative standard deviation of a round."""
        return float(np.median([t.std_ms / t.latency_ms for t in self.timings.values()]))

    @property
    def busy(self) -> float:
        """Median over graphs of the wall clock over the CPU clock, above 1 on a busy machine."""
        return float(np.median([t.wall_ms / t.latency_ms for t in self.timings.values()]))


def read_results(
    folder: Path,
    graphs: Mapping[str, Graph] | None = None,
    *,
    anchor_ms: float | None = None,
    max_mb: float = MEASURED_MB,
) -> Results:
    """Read the results of a folder.

    Args:
        folder: Has ``results.json``.
        graphs: The graphs that were measured, by file; None does not compare with them.
        anchor_ms: Latency of the anchor that all latencies are scaled to; None takes that of the
            results.
        max_mb: As in `read_json`.

    Raises:
        FormatError: If the file is missing, too large or not JSON, has numbers that are not
            times, or is of other graphs.
    """
    path = folder / RESULTS
    if not os.path.lexists(path):
        raise FormatError(
            f"`folder` must have a {RESULTS} that a device wrote, but {folder} has none."
        )
    data = FORMAT.read(path, max_mb=max_mb)
    try:
        results = _parsed(data, anchor_ms)
        if graphs is not None:
            for file, timing in results.timings.items():
                _require_layers(file, timing, graphs[file])
        return results
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"`folder` must have a {RESULTS} that a device wrote, but {path} cannot be read: "
            f"{error!r:.300}"
        ) from error


def earlier_results(folder: Path) -> Results | None:
    """Return the results that a measurement continues from.

    Args:
        folder: May have ``results.json``.

    Returns:
        The results; None where there are none, or the runtime failed on every graph.

    Raises:
        FormatError: As `read_results`.
    """
    path = folder / RESULTS
    if not os.path.lexists(path):
        return None
    graphs = FORMAT.read(path, max_mb=MEASURED_MB).get("graphs")
    failed = isinstance(graphs, dict) and all(
        isinstance(graph, dict) and "error" in graph for graph in graphs.values()
    )
    return None if failed else read_results(folder)


def _parsed(data: Mapping[str, Any], anchor_ms: float | None) -> Results:
    graphs = data["graphs"]
    good = {file: g for file, g in graphs.items() if "error" not in g}
    if not good:
        reasons = {g["error"] for g in graphs.values()}
        raise ValueError(f"the runtime failed on every graph: {sorted(reasons)[:3]}")
    own = float(np.median([_times(file, g, "anchor_ms") for file, g in good.items()]))
    timings = {file: _timing(file, g, anchor_ms or own) for file, g in good.items()}
    failures = {file: str(g["error"]) for file, g in graphs.items() if "error" in g}
    setup = {key: data[key] for key in SETUP}
    return Results(setup, str(data["date"]), own, timings, failures)


def _require_layers(file: str, timing: Timing, graph: Graph) -> None:
    n = len(graph.layers) if graph.profiled else 0
    if timing.layer_ms is not None and timing.layer_ms.shape[1] != n:
        raise ValueError(f"{file} has {n} layers, but times of {timing.layer_ms.shape[1]}")


def _timing(file: str, graph: Mapping[str, Any], anchor_ms: float) -> Timing:
    clock, wall, anchor = (_times(file, graph, k) for k in ("clock_ms", "wall_ms", "anchor_ms"))
    ratios = clock / anchor * anchor_ms
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    layers = None
    if "layer_ms" in graph:
        layers = _times(file, graph, "layer_ms", n_dims=2)
        if not (np.median(layers, axis=0) > 0).any():
            raise ValueError(f"{file} has times of layers that are all 0")
    return Timing(
        float(middle),
        float(clock.min()),
        float(IQR_TO_STD * (high - low)),
        float(np.median(wall)),
        len(clock),
        layers,
    )


def _times(
    file: str, graph: Mapping[str, Any], key: str, *, n_dims: int = 1
) -> NDArray[np.float64]:
    """Return times of networks, or of their layers, which may be 0."""
    times = array(graph[key], f"`{key}` of {file}", (None,) * n_dims)
    wrong = times[~plausible("latency_ms", times) & ((times != 0) | (n_dims == 1))]
    if len(wrong):
        raise ValueError(f"{file} has a {key} that is not {rule_of('latency_ms')}: {wrong[0]:g}")
    return times

"""Measuring a few graphs that are loaded at once, in turns with the anchor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._failures import device_errors, is_device_error
from ._rounds import by_layer, measure_rounds
from ._runtime import LoadedGraph, Runtime

# After this many failed graphs in a row, the anchor is run to check whether the device responds.
IN_A_ROW = 3


def measure_batch(
    folder: Path,
    runtime: Runtime,
    anchor_file: str,
    graphs: Sequence[dict[str, Any]],
    *,
    clock: str,
    n_rounds: int,
    n_profiled: int,
    tick: Callable[[], None],
) -> dict[str, Any]:
    """Measure graphs; return the times of each by its file, or why the runtime failed on it.

    Args:
        folder: Has the graphs.
        runtime: Runs them.
        anchor_file: The graph that takes turns with all others.
        graphs: Entries of the manifest.
        clock: As in `measure_rounds`.
        n_rounds: Rounds.
        n_profiled: Runs for the times of layers.
        tick: Called after each turn.

    Raises:
        DeviceError: If the runtime fails on the anchor, or on a graph that it could run before, or
            an error is one of the device.
    """
    anchor = _loaded_anchor(runtime, folder / anchor_file)
    measured: dict[str, Any] = {}
    good, networks = [], []
    n_failed = 0
    for graph in graphs:
        try:
            networks.append(_loaded(runtime, folder / graph["file"]))
            good.append(graph)
            n_failed = 0
        except Exception as error:  # any error is a result, if it concerns the graph
            n_failed += 1
            if is_device_error(error):
                with device_errors(f"{runtime.name} failed on {graph['file']}"):
                    raise
            if n_failed == IN_A_ROW:
                _loaded_anchor(runtime, folder / anchor_file)
            measured[graph["file"]] = {"error": f"{type(error).__name__}: {error}"[:500]}
    if not good:
        return measured
    with device_errors(f"{runtime.name} failed while it measured"):
        rounds = measure_rounds([anchor, *networks], n_rounds=n_rounds, clock=clock, tick=tick)
        for i, graph in enumerate(good, start=1):
            measured[graph["file"]] = {
                "clock_ms": _rounded(rounds.clock_ms[i]),
                "wall_ms": _rounded(rounds.wall_ms[i]),
                "anchor_ms": _rounded(rounds.clock_ms[0]),
            }
        del anchor, networks
        layered = [g for g in good if g.get("n_layers") and runtime.profiles]
        layers = _layers(folder, runtime, layered, n_profiled)
    for graph, times in zip(layered, layers, strict=True):
        measured[graph["file"]]["layer_ms"] = times
    return measured


def _loaded_anchor(runtime: Runtime, path: Path) -> LoadedGraph:
    with device_errors(
        f"`runtime` must run the anchor {path.name}, which all others are compared with, but "
        f"{runtime.name} fails"
    ):
        return _loaded(runtime, path)


def _loaded(runtime: Runtime, path: Path) -> LoadedGraph:
    """Load a network and run it once."""
    network = runtime.load(path)
    network.run()
    return network


def _layers(
    folder: Path, runtime: Runtime, graphs: Sequence[dict[str, Any]], n_runs: int
) -> list[list[list[float]]]:
    """Return milliseconds of each layer in each run but the first, of each graph."""
    networks = [runtime.load(folder / g["file"], profile=True) for g in graphs]
    measure_rounds(networks, n_rounds=n_runs // 2 + 1, n_inner=1)
    return [
        [_rounded(by_layer(run, graph["n_layers"])) for run in network.layer_times()[1:]]
        for graph, network in zip(graphs, networks, strict=True)
    ]


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 6) for v in np.asarray(values)]

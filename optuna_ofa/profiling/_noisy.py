"""Noisy layers, whose standard deviation exceeds their mean, and measuring them again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from optuna_ofa._warnings import warn
from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import NoisyDeviceWarning
from optuna_ofa.predictors import Entry
from optuna_ofa.profiling._graph_folder import Graph
from optuna_ofa.profiling._results import (
    FORMAT,
    IQR_TO_STD,
    MEASURED_MB,
    Results,
    Timing,
    read_results,
)
from optuna_ofa.profiling._table import layer_entries
from optuna_ofa.profiling.on_device import RESULTS
from optuna_ofa.space import Layer

_TRIES = 2
_SHOWN = 3  # layers that a warning names


def is_noisy(entry: Entry) -> bool:
    """Return whether the standard deviation of single runs is above their mean."""
    return entry.std_ms > entry.mean_ms


def measure_noisy_again(
    folder: Path, graphs: Mapping[str, Graph], measure: Callable[[], object]
) -> None:
    """Measure graphs with noisy layers again, at most twice.

    A graph keeps its measurement with the fewest noisy layers.

    Args:
        folder: Has the graphs and ``results.json``.
        graphs: The graphs by file.
        measure: Measures the graphs that ``results.json`` lacks.
    """
    for _ in range(_TRIES):
        before = read_results(folder, graphs)
        files = _noisy_graphs(graphs, before)
        if not files:
            return
        path = folder / RESULTS
        old = FORMAT.read(path, max_mb=MEASURED_MB)
        kept = {file: graph for file, graph in old["graphs"].items() if file not in files}
        _write(path, {**old, "graphs": kept})
        try:
            measure()
        except BaseException:
            _write(path, old)  # as if it had not been tried
            raise
        after, new = read_results(folder, graphs), FORMAT.read(path, max_mb=MEASURED_MB)
        worse = [
            f
            for f in files
            if f not in after.timings or _n_noisy(after.timings[f]) > _n_noisy(before.timings[f])
        ]
        _write(path, {**new, "graphs": {**new["graphs"], **{f: old["graphs"][f] for f in worse}}})


def _write(path: Path, results: Mapping[str, object]) -> None:
    write_whole({path: json.dumps(results, allow_nan=False).encode()})


def _noisy_graphs(graphs: Mapping[str, Graph], results: Results) -> list[str]:
    """Return the graphs in which a noisy layer is noisy, or all that have it if it is in none."""
    noisy = {layer for layer, e in layer_entries(graphs, results).items() if is_noisy(e)}
    files: dict[str, None] = {}
    for layer in noisy:
        having = {f: graphs[f].layers.index(layer) for f in _measured(graphs, results, layer)}
        guilty = [f for f, i in having.items() if _spreads(results.timings[f])[i]]
        files |= dict.fromkeys(guilty or having)
    return sorted(files)


def _measured(graphs: Mapping[str, Graph], results: Results, layer: Layer) -> list[str]:
    return [
        file
        for file, timing in results.timings.items()
        if layer in graphs[file].layers
        and (timing.layer_ms is not None or graphs[file].subnet is None)
    ]


def _spreads(timing: Timing) -> list[bool]:
    """Return for each layer of a graph whether it is noisy."""
    if timing.layer_ms is None:
        return [timing.std_ms > timing.latency_ms]
    low, middle, high = np.quantile(timing.layer_ms, [0.25, 0.5, 0.75], axis=0)
    return list(IQR_TO_STD * (high - low) > middle)


def _n_noisy(timing: Timing) -> int:
    return sum(_spreads(timing))


def warn_noisy(noisy: list[str], n: int) -> None:
    """Warn about noisy layers, by name.

    Args:
        noisy: Their keys in the table.
        n: Number of layers of the table.
    """
    if not noisy:
        return
    shown = ", ".join(noisy[:_SHOWN])
    more = f" and {len(noisy) - _SHOWN} more" if len(noisy) > _SHOWN else ""
    warn(
        f"{len(noisy)} of {n} layers have a standard deviation of repeated runs above their "
        f"mean: {shown}{more}. `metadata['noisy_layers']` of the table has them; profile again "
        f"when the device is quieter.",
        NoisyDeviceWarning,
    )

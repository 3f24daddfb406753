"""A latency table from the results of a device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import NoisyDeviceError
from optuna_ofa.predictors import LAYERS, LINEAR_IN_AREA, Entry, LatencyTable
from optuna_ofa.profiling._graph_folder import Graph
from optuna_ofa.profiling._results import IQR_TO_STD, Results, Timing
from optuna_ofa.space import Layer, SearchSpace


class _Runs(NamedTuple):
    """The times of one layer in one network: a robust mean, and single runs."""

    centre_ms: float
    single_ms: NDArray[np.float64]


def build_table(
    space: SearchSpace,
    graphs: Mapping[str, Graph],
    results: Results,
    *,
    max_spread: float,
    extra: Mapping[str, Any],
) -> LatencyTable:
    """Return a table of every layer that was measured in a network or alone.

    The medians of the profiled runs of a network give the share of each layer, and the network's
    latency by the CPU clock, measured without a profile, gives the sum: profiling itself takes time
    and uses the wall clock. Layers alone are scaled so that they add up to whole networks.

    Args:
        space: Of the family.
        graphs: The graphs that were measured, by file.
        results: The results of the device.
        max_spread: Largest relative standard deviation of a round.
        extra: More metadata; ``resolutions`` are those of the table.

    Raises:
        NoisyDeviceError: If the runs differ more than that.
    """
    require_quiet(results, max_spread)
    entries = layer_entries(graphs, results)
    noisy = [layer for layer, entry in entries.items() if entry.std_ms > entry.mean_ms]
    keys = [LAYERS.key(layer, space.family.head.n_classes) for layer in noisy]
    metadata = {
        **results.setup,
        "date": results.date,
        "anchor_ms": round(results.anchor_ms, 4),
        "n_rounds": int(np.median([t.n_rounds for t in results.timings.values()])),
        "noise_percent": round(results.relative_std * 100, 2),
        "interpolation": LINEAR_IN_AREA,
        "noisy_layers": sorted(key for key in keys if key is not None),
        "failures": dict(results.failures),
        **extra,
    }
    return LatencyTable.from_measurements(
        family=space.family, resolutions=extra["resolutions"], latencies=entries, metadata=metadata
    )


def layer_entries(graphs: Mapping[str, Graph], results: Results) -> dict[Layer, Entry]:
    """Return the latency of each layer that was measured in a network or alone."""
    found = [(graphs[file], timing) for file, timing in results.timings.items()]
    alone: dict[Layer, Entry] = {}
    runs: dict[Layer, list[_Runs]] = defaultdict(list)
    for graph, timing in found:
        if timing.layer_ms is not None:
            for layer, times in zip(graph.layers, _in_network(timing), strict=True):
                runs[layer].append(times)
        elif graph.subnet is None:
            alone[graph.layers[0]] = _alone(timing)
    wholes = [(g.layers, t.latency_ms) for g, t in found if g.subnet and not g.profiled]
    entries = _scaled(alone, wholes)
    return entries | {layer: _in_networks(times) for layer, times in runs.items()}


def require_quiet(results: Results, max_spread: float) -> None:
    """Raise an error if repeated runs on the device differ too much.

    Raises:
        NoisyDeviceError: If they do; the message has remedies.
    """
    if results.relative_std > max_spread:
        raise NoisyDeviceError(
            f"Repeated runs on this device differ by {results.relative_std:.1%} (standard "
            f"deviation, median of {len(results.timings)} graphs), and `max_spread` is "
            f"{max_spread:.1%}. End other programs, fix the clock frequency, keep the process on "
            f"one processor with `pin`, raise `n_rounds`, or raise `max_spread` if that is good "
            f"enough."
        )


def _in_network(timing: Timing) -> list[_Runs]:
    assert timing.layer_ms is not None
    centres = np.median(timing.layer_ms, axis=0)
    scale = timing.latency_ms / centres.sum()
    return [
        _Runs(float(c * scale), column * scale)
        for c, column in zip(centres, timing.layer_ms.T, strict=True)
    ]


def _alone(timing: Timing) -> Entry:
    ms = timing.latency_ms
    return _entry(ms, timing.std_ms, timing.n_rounds, ms, timing.min_ms)


def _scaled(
    alone: Mapping[Layer, Entry], wholes: Sequence[tuple[Sequence[Layer], float]]
) -> dict[Layer, Entry]:
    """Scale entries of layers alone, so that their means add up to whole networks.

    A layer alone has its weights in the cache, and a whole runtime call for itself.
    """
    ratios = [
        ms / sum(alone[layer].mean_ms for layer in layers)
        for layers, ms in wholes
        if all(layer in alone for layer in layers)
    ]
    scale = float(np.median(ratios)) if ratios else 1.0
    return {
        layer: _entry(
            scale * e.mean_ms, scale * e.std_ms, e.n_runs, scale * e.median_ms, scale * e.min_ms
        )
        for layer, e in alone.items()
    }


def _in_networks(runs: list[_Runs]) -> Entry:
    """Return the mean of the networks' medians, with a robust spread from quartiles."""
    singles = np.concatenate([r.single_ms for r in runs])
    low, middle, high = np.quantile(singles, [0.25, 0.5, 0.75])
    mean = float(np.mean([r.centre_ms for r in runs]))
    return _entry(mean, IQR_TO_STD * (high - low), len(singles), middle, singles.min())


def _entry(mean: float, std: float, n_runs: int, median: float, least: float) -> Entry:
    """Return an entry, rounded to a tenth of a nanosecond."""
    mean, std, median, least = (round(float(v), 7) for v in (mean, std, median, least))
    return Entry(mean, std, n_runs, median, least)

"""A latency table from what a device brought back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import NoisyDeviceError
from optuna_ofa.predictors import Entry, LatencyTable
from optuna_ofa.predictors._interpolation import METHOD
from optuna_ofa.profiling._graph_folder import Graph
from optuna_ofa.profiling._results import IQR_TO_STD, Results, Timing
from optuna_ofa.space import Layer, SearchSpace


class _Runs(NamedTuple):
    """Times of one layer in one network: a robust mean, and single runs."""

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
    """The entries of every layer that was measured in a network or alone.

    In a network, the medians of the runs say how its time divides among its layers, and the
    network's latency by the CPU clock, measured without a profile, says what they add up to:
    a profile costs time itself and has a wall clock. A layer alone takes its fastest round, and
    what whole networks take more than their layers is added.

    Args:
        space: Of the family.
        graphs: What was measured, by file.
        results: What the device brought back.
        max_spread: Largest relative standard deviation of a round.
        extra: More metadata; ``resolutions`` are those of the table.

    Raises:
        NoisyDeviceError: If the runs differ more than that.
    """
    require_quiet(results, max_spread)
    found = [(graphs[file], timing) for file, timing in results.timings.items()]
    alone: dict[Layer, Entry] = {}
    runs: dict[Layer, list[_Runs]] = defaultdict(list)
    for graph, timing in found:
        if timing.layer_ms is not None:
            for layer, times in zip(graph.layers, _in_network(timing), strict=True):
                runs[layer].append(times)
        elif graph.subnet is None:
            alone[graph.layers[0]] = _alone(timing)
    wholes = [(g.layers, t) for g, t in found if g.subnet is not None and not g.profiled]
    entries = _completed(alone, wholes)
    entries |= {layer: _in_networks(times) for layer, times in runs.items()}
    metadata = {
        **results.setup,
        "date": results.date,
        "anchor_ms": round(results.anchor_ms, 4),
        "n_rounds": int(np.median([t.n_rounds for t in results.timings.values()])),
        "noise_percent": round(results.spread * 100, 2),
        "interpolation": METHOD,
        "failures": dict(results.failures),
        **extra,
    }
    return LatencyTable.from_measurements(
        family=space.family,
        resolutions=extra["resolutions"],
        latencies=entries,
        metadata=metadata,
    )


def require_quiet(results: Results, max_spread: float) -> None:
    """Refuse results of a device on which repeated runs differ too much.

    Raises:
        NoisyDeviceError: With what to do about it.
    """
    if results.spread > max_spread:
        raise NoisyDeviceError(
            f"Repeated runs on this device differ by {results.spread:.1%} (standard deviation, "
            f"middle of {len(results.timings)} graphs), and `max_spread` is {max_spread:.1%}. End "
            f"other programs, fix the clock frequency, keep the process on one processor with "
            f"`pin`, raise `n_rounds`, or raise `max_spread` if that is good enough."
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
    """The fastest round, because the others waited for the memory of other layers."""
    return _entry(timing.min_ms, timing.std_ms, timing.n_rounds, timing.latency_ms, timing.min_ms)


def _completed(
    alone: Mapping[Layer, Entry], wholes: Sequence[tuple[tuple[Layer, ...], Timing]]
) -> dict[Layer, Entry]:
    """Entries of layers alone, which add up to whole networks.

    What a network takes beyond its layers, because the weights of large layers are in no cache
    when their turn comes, hardly depends on the network. It counts for the classifier, which every
    network has once. Where networks take less, that is what a call of the runtime takes, which
    each layer alone needed: every layer but the classifier loses it.
    """
    beyond = [
        (timing.latency_ms - sum(alone[layer].mean_ms for layer in layers), len(layers))
        for layers, timing in wholes
        if all(layer in alone for layer in layers)
    ]
    offset = float(np.median([ms for ms, _ in beyond])) if beyond else 0.0
    call = float(np.median([ms / (n - 1) for ms, n in beyond])) if offset < 0 else 0.0
    return {
        layer: entry._replace(mean_ms=round(_changed(entry.mean_ms, change), 7))
        for layer, entry in alone.items()
        for change in [max(offset, 0.0) if layer.role == "classifier" else call]
    }


def _changed(ms: float, change: float) -> float:
    """Never below a tenth, because nothing takes no time."""
    return max(ms + change, ms / 10)


def _in_networks(runs: list[_Runs]) -> Entry:
    """Mean of the networks' medians; the spread is from quartiles, which outliers do not move."""
    singles = np.concatenate([r.single_ms for r in runs])
    low, middle, high = np.quantile(singles, [0.25, 0.5, 0.75])
    mean = float(np.mean([r.centre_ms for r in runs]))
    return _entry(mean, IQR_TO_STD * (high - low), len(singles), middle, singles.min())


def _entry(mean: float, std: float, n_runs: int, median: float, least: float) -> Entry:
    """Milliseconds to a nanosecond and a tenth."""
    mean, std, median, least = (round(float(v), 7) for v in (mean, std, median, least))
    return Entry(mean, std, n_runs, median, least)

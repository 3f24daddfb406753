"""What one file of a tool says about one graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from optuna_ofa._plausible import plausible, rule_of
from optuna_ofa.profiling.on_device import NodeTime

# factors that convert a unit of time to milliseconds
UNITS_MS = {"s": 1000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
# the operators that `optuna_ofa.graphs` names, after the index of their layer: 07/depth.21
_OPERATORS = (
    "add|conv[123]?|depth|down|down_pool|expand|flatten|h_swish|h_swish_gate|linear|point|pool|"
    "relu6?|se_expand|se_gate|se_pool|se_reduce|se_relu|se_scale|(?:se_)?silu(?:_gate)?"
)
_NODE = re.compile(rf"(?<![0-9A-Za-z])(\d\d+)[/_](?:{_OPERATORS})(?![0-9A-Za-z])")
# share of the time of all operators whose layer has to be known
_LEAST_KNOWN = 0.5


class FarmReport(NamedTuple):
    """The times of one graph in one file, without the first run where single runs are listed.

    Args:
        latency_ms: Median of the runs, or the mean where the file has no median; None where the
            file has only times of operators.
        std_ms: Standard deviation of a run; None if the file does not say.
        min_ms: The fastest run; None if the file does not say.
        n_runs: Number of runs.
        runs: Operators of each run, or one row of means; empty without a profile.
    """

    latency_ms: float | None = None
    std_ms: float | None = None
    min_ms: float | None = None
    n_runs: int = 1
    runs: Sequence[Sequence[NodeTime]] = ()


# reads one file of at most so many MB
Reader = Callable[[Path, float], FarmReport]


class FarmFormat(NamedTuple):
    """A format of results.

    Args:
        runtime: Name of the runtime in the metadata.
        suffixes: Endings of its files.
        read: Reads one file.
    """

    runtime: str
    suffixes: tuple[str, ...]
    read: Reader


def of_runs(latencies_ms: Iterable[float], runs: Sequence[Sequence[NodeTime]] = ()) -> FarmReport:
    """Return the report of single runs, the first of which fills the caches and does not count.

    Raises:
        ValueError: If there is no run, or a time is not plausible.
    """
    times = [positive_ms(value, "a run") for value in latencies_ms]
    if not times:
        raise ValueError("it has no runs")
    timed = np.array(times[1:] or times)
    return FarmReport(
        float(np.median(timed)),
        float(timed.std()) if len(timed) > 1 else None,
        float(timed.min()),
        len(timed),
        runs[1:] or runs,
    )


def positive_ms(value: object, what: str, unit: str = "ms") -> float:
    """Return milliseconds of a network.

    Args:
        value: The time, as a number or its text.
        what: Its name in the file.
        unit: Its unit, a key of `UNITS_MS`.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is outside the range of latencies.
    """
    number = _number(value, what) * UNITS_MS[unit]
    if not np.isfinite(number) or not plausible("latency_ms", number):
        raise ValueError(f"{what} must be {rule_of('latency_ms')} ms, not {value} {unit}")
    return number


def node_ms(value: object, name: str, unit: str = "ms") -> float:
    """Return milliseconds of an operator, which may be 0.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is negative or not finite.
    """
    number = _number(value, name) * UNITS_MS[unit]
    if not np.isfinite(number) or number < 0:
        raise ValueError(f"the time of {name} must be 0 or more, not {value}")
    return number


def _number(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{what} must be a number, not {value!r:.50}")
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{what} must be a number, not {value!r:.50}") from None


def layers_of(runs: Sequence[Sequence[NodeTime]], n_layers: int) -> list[list[float]] | None:
    """Return milliseconds of each layer in each run; None if the names do not say the layers.

    An operator belongs to the layer whose index its name has, as `optuna_ofa.graphs` names it
    (``07/depth.21``, also ``07_depth_21`` or inside a longer name). Operators that the runtime
    adds count towards the layer before them.
    """
    rows, known, total = [], 0.0, 0.0
    for run in runs:
        row, layer = [0.0] * n_layers, 0
        for node in run:
            found = _NODE.search(node.name)
            if found and int(found[1]) < n_layers:
                layer = int(found[1])
                known += node.ms
            row[layer] += node.ms
            total += node.ms
        rows.append(row)
    return rows if total > 0 and known >= _LEAST_KNOWN * total else None

"""The entries of a latency table: reading, checking and writing."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from optuna_ofa._plausible import MAX_LAYER_MS
from optuna_ofa._rules import shown
from optuna_ofa._values import first_unlike, number, whole
from optuna_ofa.exceptions import FormatError

_SHAPE = r"(\d{1,7}(?:x\d{1,7}){0,2})"
_KEY = re.compile(rf"[^-:]+-input:{_SHAPE}-output:{_SHAPE}(?:-[^-:]+:[^-:]+)*")
# no deviation or other statistic of a layer is more than this many times its mean
_MOST_OF_MEAN = 20


class Entry(NamedTuple):
    """One measured layer.

    Args:
        mean_ms: Mean latency in milliseconds.
        std_ms: Standard deviation of single runs in milliseconds; NaN if unknown.
        n_runs: Number of runs; 0 if unknown.
        median_ms: Median of single runs; NaN if unknown.
        min_ms: The fastest run; NaN if unknown.
    """

    mean_ms: float
    std_ms: float = math.nan
    n_runs: int = 0
    median_ms: float = math.nan
    min_ms: float = math.nan


class TableSection(NamedTuple):
    """Entries that belong together, and the input sizes of the networks they were measured in.

    Published tables with one file per resolution repeat keys (``Conv_2-input:1x1x1152…``) with
    different values, so each file becomes a separate section.
    """

    resolutions: tuple[int, ...]
    entries: Mapping[str, Entry]


def read_entries(data: Mapping[Any, Any], path: Path, unit_ms: float = 1.0) -> dict[str, Entry]:
    """Return the entries of a section by their keys.

    Args:
        data: Keys of layers with mappings of ``mean``, and optionally ``std`` or ``var``,
            ``count``, ``median`` and ``min``.
        path: The file, for messages.
        unit_ms: Milliseconds of the unit in the file.

    Raises:
        FormatError: If a key occurs twice, a value is no latency of a layer or unlike those of
            other layers of its size, or most of them are 0.
    """
    entries: dict[str, Entry] = {}
    sizes = []
    for name, value in data.items():
        key = str(name).rstrip(":")
        if key in entries:
            raise FormatError(f"`path` must have each layer once, but {path} has {key!r} twice.")
        sizes.append(_size(key, path))
        entries[key] = _entry(value, f"of `{key}` in {path}", unit_ms)
    means = [entry.mean_ms for entry in entries.values()]
    n_zero = sum(mean == 0 for mean in means)
    if not means or 2 * n_zero > len(means):
        raise FormatError(
            f"`path` must hold positive milliseconds for most layers, but {path} has {n_zero} of "
            f"{len(means)} that are 0."
        )
    by_size = [mean / size for mean, size in zip(means, sizes, strict=True)]
    unlike = next((i for i in map(first_unlike, (by_size, means)) if i is not None), None)
    if unlike is not None:
        raise FormatError(
            f"`mean` of `{list(entries)[unlike]}` in {path} must be like those of other layers, "
            f"for its size, but is {means[unlike]:g} ms."
        )
    return entries


def _size(key: str, path: Path) -> int:
    """Return how many numbers go into a layer and come out of it, from its key."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise FormatError(
            f"`path` must have keys of layers like 'Conv-input:224x224x3-output:112x112x24', but "
            f"{path} has {shown(key)}."
        )
    return max(sum(math.prod(map(int, shape.split("x"))) for shape in match.groups()), 1)


def _entry(value: Any, where: str, unit_ms: float) -> Entry:
    if not isinstance(value, Mapping) or "mean" not in value:
        raise FormatError(
            f"The value {where} must be a mapping with `mean`, but is {shown(value)}."
        )
    mean = number(value["mean"], f"`mean` {where}", least=0, most=MAX_LAYER_MS / unit_ms) * unit_ms
    most = min(_MOST_OF_MEAN * mean or MAX_LAYER_MS, MAX_LAYER_MS) / unit_ms
    others = {
        name: number(value[name], f"`{name}` {where}", least=0, most=most) * unit_ms
        for name in ("std", "median", "min")
        if name in value
    }
    if "var" in value and "std" not in value:
        variance = number(value["var"], f"`var` {where}", least=0, most=most**2)
        others["std"] = math.sqrt(variance) * unit_ms
    count = whole(value["count"], f"`count` {where}") if "count" in value else 0
    std, median, least = (others.get(name, math.nan) for name in ("std", "median", "min"))
    return Entry(mean, std, count, median, least)


def entry_dict(entry: Entry) -> dict[str, float]:
    """Return an entry as it is written to files, without unknown values."""
    data: dict[str, float] = {"mean": entry.mean_ms}
    if not math.isnan(entry.std_ms):
        data["std"] = entry.std_ms
    if entry.n_runs:
        data["count"] = entry.n_runs
    others = {"median": entry.median_ms, "min": entry.min_ms}
    return data | {name: value for name, value in others.items() if not math.isnan(value)}

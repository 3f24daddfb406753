"""Signs that the entries of a table are not what a device takes, or those of another device."""

from __future__ import annotations

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeVar

from optuna_ofa.predictors.latency._entries import Entry, TableSection

T = TypeVar("T")
_KEY = re.compile(r"([^-:]+)-input:([\dx]+)-output:([\dx]+)(.*)")
_KERNEL = re.compile(r"-kernel:(\d+)")
# noise of an entry; and from which share of pairs on, of at least so many, a table is doubtful. Of
# three published and eleven packaged tables, 0 to 12 % of kernels are such pairs, 0.3 % of sizes
_NOISE, _DOUBTFUL, _LEAST = 0.05, 0.2, 6
_LARGER = 1.2  # ratio of areas from which on a layer should take longer
_N_EQUAL, _EQUAL = 3, 0.02  # entries, and share of the table, that are copies
_DIGITS = 4  # significant ones; a measured mean has more
# entries of one device at another resolution, or measured again, differ by less
OTHER_DEVICE = 1.5


class _Item(NamedTuple):
    """An entry: its key without spatial sizes, pixels in and out, kernel and mean."""

    shape: Hashable
    area: int
    kernel: int
    mean_ms: float


def doubts(sections: Sequence[TableSection]) -> Iterator[str]:
    """Yield what is doubtful in the entries of a table, in words that go after "has"."""
    items = [item for section in sections for item in _items(section.entries)]
    kernels = _groups(((i.shape, i.area), (i.kernel, i.mean_ms)) for i in items if i.kernel)
    yield from _falling(kernels, 1.0, "larger kernels that are faster than smaller ones")
    sizes = _groups(((i.shape, i.kernel), (i.area, i.mean_ms)) for i in items)
    yield from _falling(sizes, _LARGER, "layers that are faster with more pixels")
    n = sum(_n_equal(group) for group in sizes.values())
    if n >= max(_N_EQUAL, _EQUAL * len(items)):
        yield f"{n} of {len(items)} entries equal to another resolution's to the last digit"


def factor(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> float | None:
    """Return by which factor layers of two tables differ, at least 1; None if too few are shared.

    At another size, latencies between the same and those in proportion to the area do not differ.

    Returns:
        The median over the layers that differ in the spatial size at most.
    """
    known = _groups(((i.shape, i.kernel), i) for i in _items(first))
    logs = [
        _excess(min(known[at], key=lambda x: abs(x.area - item.area)), item)
        for item in _items(second)
        if (at := (item.shape, item.kernel)) in known and item.mean_ms > 0
    ]
    return math.exp(median(logs)) if len(logs) >= _LEAST else None


def n_copied(first: Mapping[str, Entry], second: Mapping[str, Entry]) -> int:
    """Return how many shared entries of two tables are equal to the last digit."""
    shared = [(first[key].mean_ms, second[key].mean_ms) for key in first.keys() & second.keys()]
    return sum(a == b and _has_digits(a) for a, b in shared)


def _excess(a: _Item, b: _Item) -> float:
    """Return the absolute logarithm of the ratio, beyond what the areas explain."""
    if a.mean_ms <= 0:
        return 0.0
    log = math.log(b.mean_ms / a.mean_ms)
    if a.area == b.area or not a.area or not b.area:
        return abs(log)
    low, high = sorted((0.0, math.log(b.area / a.area)))
    return max(low - log, log - high, 0.0)


def _items(entries: Mapping[str, Entry]) -> Iterator[_Item]:
    for key, entry in entries.items():
        match = _KEY.fullmatch(key)
        if match is None:
            continue
        ends = [[int(n) for n in text.split("x")] for text in match.group(2, 3)]
        area = sum(math.prod(end[:2]) for end in ends if len(end) == 3)
        kernel = _KERNEL.search(match[4])
        shape = match[1], ends[0][-1], ends[1][-1], _KERNEL.sub("", match[4])
        yield _Item(shape, area, int(kernel[1]) if kernel else 0, entry.mean_ms)


def _groups(pairs: Iterable[tuple[Hashable, T]]) -> dict[Hashable, list[T]]:
    groups: dict[Hashable, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _falling(
    groups: Mapping[Hashable, Sequence[tuple[int, float]]], ratio: float, what: str
) -> Iterator[str]:
    n = n_falling = 0
    for group in groups.values():
        for (small, a), (large, b) in itertools.combinations(sorted(group), 2):
            if large > ratio * small and a > 0:
                n, n_falling = n + 1, n_falling + (b < a * (1 - _NOISE))
    if n >= _LEAST and n_falling > _DOUBTFUL * n:
        yield f"{what}, in {n_falling} of {n} pairs"


def _n_equal(group: Sequence[tuple[int, float]]) -> int:
    areas: dict[float, set[int]] = defaultdict(set)
    for area, mean in group:
        areas[mean].add(area)
    return sum(len(found) for ms, found in areas.items() if len(found) > 1 and _has_digits(ms))


def _has_digits(ms: float) -> bool:
    return ms > 0 and f"{ms:.{_DIGITS}g}" != f"{ms:.12g}"

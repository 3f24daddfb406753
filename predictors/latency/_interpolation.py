"""Latency of layers at input sizes that were not measured."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

from optuna_ofa.costs import placements
from optuna_ofa.predictors.latency._entries import Entry
from optuna_ofa.space import Layer, SearchSpace

# Value in the metadata of a table that was deliberately measured at few sizes.
LINEAR_IN_AREA = "linear in area"


def interpolate(
    space: SearchSpace, measured: Sequence[int], look_up: Callable[[Layer, int], Entry]
) -> dict[Layer, Entry]:
    """Return an entry for every layer of a space, from measurements at two resolutions or more.

    The latency of a layer is assumed to be linear in its area, the number of input and output
    pixels, between the two nearest resolutions: its work is, and its call overhead is constant.

    Args:
        space: The layers.
        measured: Resolutions that were measured, ascending, at least two.
        look_up: Takes a layer and a measured resolution.
    """
    entries: dict[Layer, Entry] = {}
    for place in placements(space):
        if place.layer not in entries:
            low, high = neighbours(measured, place.values[0])
            ends = [place.slot.build(r, *place.values[1:]) for r in (low, high)]
            found = [(_area(e), look_up(e, r)) for e, r in zip(ends, (low, high), strict=True) if e]
            entries[place.layer] = _between(found, _area(place.layer))
    return entries


def neighbours(measured: Sequence[int], resolution: int) -> tuple[int, int]:
    """Return the two measured resolutions between which another one is interpolated."""
    i = min(max(bisect_left(measured, resolution), 1), len(measured) - 1)
    return measured[i - 1], measured[i]


def _area(layer: Layer) -> int:
    return layer.in_size**2 + layer.out_size**2


def _between(ends: Sequence[tuple[int, Entry]], area: int) -> Entry:
    (a, low), (b, high) = ends
    share = (area - a) / (b - a) if a != b else 0.5

    def mix(x: float, y: float) -> float:
        return max(x + share * (y - x), 0.0) if not math.isnan(x + y) else math.nan

    return Entry(
        mix(low.mean_ms, high.mean_ms),
        mix(low.std_ms, high.std_ms),
        min(low.n_runs, high.n_runs),
        mix(low.median_ms, high.median_ms),
        mix(low.min_ms, high.min_ms),
    )

"""Latency of layers at input sizes outside of the measured ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import placements
from optuna_ofa.predictors.latency._entries import Entry
from optuna_ofa.space import Layer, SearchSpace

Array = NDArray[np.float64]
# measured sizes next to the unknown one that determine the level of a line
_NEAREST = 5
# scatter of sizes around a line, as if two had shown it: that of two published tables is 1 to 5 %
_SCATTER, _N_SCATTER = 0.03, 2
# what lines miss at larger sizes beside their scatter; on two published tables 0 to 6 %
_MISFIT = 0.03


class _Samples(NamedTuple):
    """A layer at every measured size: areas, means and relative standard deviation of a run."""

    areas: Array
    means: Array
    area: float
    relative_std: float


def extrapolate(
    space: SearchSpace, measured: Sequence[int], look_up: Callable[[Layer, int], Entry]
) -> dict[Layer, Entry]:
    """Return an entry for every layer of a space of one size, outside of the measured sizes.

    The latency of a layer is assumed to be linear in its area. The slope is the median of those
    between all pairs of sizes (Theil and Sen), weighted by their distance, and the level the median
    of the five nearest sizes, so that a few noisy sizes have little influence.

    Sizes deviate from the line for all layers alike, but standard deviations of layers are added
    in quadrature. Theirs are therefore such that the sum of a typical network has the right one.

    Args:
        space: The layers, at one resolution.
        measured: Resolutions that were measured, ascending, at least two.
        look_up: Takes a layer and a measured resolution.
    """
    found: dict[Layer, _Samples] = {}
    for place in placements(space):
        if place.layer not in found:
            layers = [place.slot.build(r, *place.values[1:]) for r in measured]
            pairs = [(_area(x), look_up(x, r)) for x, r in zip(layers, measured, strict=True) if x]
            found[place.layer] = _samples(pairs, _area(place.layer))
    means = {x: _at_area(s.areas, s.means, s.area) for x, s in found.items()}
    typical_ms = _typical_ms(space, means)
    error = _relative_error(list(found.values()))
    return {
        layer: Entry(ms, _std(ms, error, typical_ms, found[layer].relative_std))
        for layer, ms in means.items()
    }


def _area(layer: Layer) -> int:
    return layer.in_size**2 + layer.out_size**2


def _samples(pairs: Sequence[tuple[int, Entry]], area: int) -> _Samples:
    ratios = [e.std_ms / e.mean_ms for _, e in pairs if e.mean_ms > 0 and not math.isnan(e.std_ms)]
    areas = np.array([a for a, _ in pairs], dtype=float)
    means = np.array([e.mean_ms for _, e in pairs], dtype=float)
    return _Samples(areas, means, float(area), float(np.median(ratios)) if ratios else math.nan)


def _at_area(areas: Array, means: Array, area: float) -> float:
    slope = slope_in_area(areas, means)
    if slope == 0:
        return float(np.median(means))
    nearest = np.argsort(np.abs(areas - area), kind="stable")[:_NEAREST]
    level = float(np.median((means - slope * areas)[nearest]))
    return max(level + slope * area, 0.0)


def slope_in_area(areas: Array, means: Array) -> float:
    """Return the weighted median of the slopes between all pairs of sizes; at least 0."""
    i, j = np.triu_indices(len(areas), 1)
    i, j = i[areas[i] != areas[j]], j[areas[i] != areas[j]]
    if not len(i):
        return 0.0
    slopes = (means[j] - means[i]) / (areas[j] - areas[i])
    order = np.argsort(slopes, kind="stable")
    weights = np.cumsum(np.abs(areas[j] - areas[i])[order])
    return max(float(slopes[order][np.searchsorted(weights, weights[-1] / 2)]), 0.0)


def _typical_ms(space: SearchSpace, means: dict[Layer, float]) -> float:
    """Return the sum over positions of the mean over their layers."""
    of: dict[int, list[float]] = {}
    for place in placements(space):
        of.setdefault(id(place.slot), []).append(means[place.layer])
    return sum(math.fsum(values) / len(values) for values in of.values())


def _relative_error(layers: Sequence[_Samples]) -> float:
    """Return the relative standard error of a network's latency at the unknown size.

    It is that of a prediction by a line, or the error for the outer third of the measured sizes if
    that is larger, with 3 % on top, because latencies need not go on as they were. Deviations of
    neighbouring sizes are often alike (a device rounds sizes up), so sizes count as fewer by their
    autocorrelation.
    """
    areas = np.array([samples.areas for samples in layers]).mean(axis=0)
    totals = np.array([samples.means for samples in layers]).sum(axis=0)
    area = float(np.mean([samples.area for samples in layers]))
    slope = slope_in_area(areas, totals)
    line = np.median(totals - slope * areas) + slope * areas
    rest = (totals - line) / np.maximum(line, totals.max() * 1e-9)
    n = len(areas)
    variance = (rest @ rest + _N_SCATTER * _SCATTER**2) / max(n - 2 + _N_SCATTER, 1)
    spread = float(np.mean((areas - areas.mean()) ** 2)) or 1.0
    z = (area - areas.mean()) / math.sqrt(spread)
    of_line = math.sqrt(variance * (1 + (1 + z**2) * _repeats(rest) / n))
    return math.hypot(max(of_line, _outer_error(areas, totals, area)), _MISFIT)


def _outer_error(areas: Array, totals: Array, area: float) -> float:
    """Return the relative root mean squared error for the third of the sizes nearest to one."""
    order = np.argsort(np.abs(areas - area), kind="stable")
    outer, inner = order[: len(order) // 3], order[len(order) // 3 :]
    if not len(outer) or totals[outer].min() <= 0:
        return 0.0
    found = np.array([_at_area(areas[inner], totals[inner], a) for a in areas[outer]])
    return math.sqrt(float(np.mean((found / totals[outer] - 1) ** 2)))


def _repeats(rest: Array) -> float:
    """Return how many sizes have about one independent deviation together."""
    power = float(rest @ rest)
    alike = float(rest[1:] @ rest[:-1]) / power if power > 0 else 0.0
    alike = min(max(alike, 0.0), 1 - 4 / max(len(rest), 5))
    return (1 + alike) / (1 - alike)


def _std(ms: float, error: float, typical_ms: float, relative_std: float) -> float:
    run = 0.0 if math.isnan(relative_std) else relative_std * ms
    return math.sqrt(run**2 + error**2 * ms * typical_ms)

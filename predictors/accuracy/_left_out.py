"""How wrong a model is outside of what it was fitted on: its errors on parts that are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._support import Support
from optuna_ofa.predictors._widening import (
    Coordinate,
    Side,
    Widening,
    coordinates,
    resolution_distance,
)
from optuna_ofa.predictors.accuracy._model import AccuracyModel

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Refit = Callable[[MeasuredRows], AccuracyModel]
Curve = tuple[float, float, float]

_SHARE = 0.2  # of the rows that are left out at an end
_LEAST_OUT, _LEAST_IN = 3, 5  # rows
_MOST_ROWS = 1_000  # more are sampled, because a fit takes the cube of the rows
_MOST_RESOLUTIONS = 6  # that are left out
_COVERED = 0.9  # share of the left-out rows that widened intervals cover
_Z = 1.645  # half width of a 90 % interval in standard deviations
# One end is one draw of how wrong the model is, so its rate is doubled, and half of its square is
# that of all ends.
_CAUTION = 2.0
_SHRUNK = 0.5
_NEAR = 0.1  # least distance in units, for rates
# With one fitted resolution, halving it changes errors by up to 1.4 times. With two, their slope is
# known, but leaving out one would not tell how far it is right.
_PER_RESOLUTION = {1: 0.5, 2: 0.3}


class LeftOut(NamedTuple):
    """A model fitted to some rows, and what it predicts.

    Args:
        out: ``(n,)`` which rows were left out.
        predicted: ``(n,)`` predictions for all rows.
        std: ``(n,)`` their standard deviations.
        errors: ``(n,)`` measured minus predicted.
    """

    out: Mask
    predicted: Array
    std: Array
    errors: Array


def widening_of(
    model: AccuracyModel, rows: MeasuredRows, support: Support, refit: Refit, *, seed: int
) -> Widening | None:
    """Return how much wider intervals must be outside of the rows.

    The model is fitted again without each resolution, and without the fifth with the lowest and
    with the highest accuracy, size, and accuracy for its size; its errors on these say how fast
    intervals must grow.

    Args:
        model: The model of all rows.
        rows: What it was fitted to.
        support: The same rows, without their values.
        refit: Fits the same kind of model to other rows.
        seed: Seed for choosing rows if there are more than 1,000.

    Returns:
        None if the model has no standard deviations.
    """
    if len(rows.top1) > _MOST_ROWS:
        some = np.random.default_rng(seed).permutation(len(rows.top1))[:_MOST_ROWS]
        rows = rows.select(np.sort(some))
    std = model.predict_std(rows.matrix)
    if std is None:
        return None
    predicted, sizes = model.predict(rows.matrix), support.sizes_of(rows.matrix)
    curve = _curve(sizes, predicted)
    within = _within(rows)
    n_varied = sum(len(seen) > 1 for seen in support.seen[1:])
    return Widening(
        _per_resolution(rows, refit),
        float(within / np.sqrt(max(n_varied, 1))),
        tuple(_sides(rows, sizes, predicted, curve, refit)),
        curve,
    )


def _left_out(rows: MeasuredRows, out: Mask, refit: Refit) -> LeftOut | None:
    """Fit without some rows; None if there are too few of either."""
    kept = rows.select(~out)
    if out.sum() < _LEAST_OUT or len(kept.top1) < _LEAST_IN or np.ptp(kept.top1) == 0:
        return None
    model = refit(kept)
    predicted, std = model.predict(rows.matrix), model.predict_std(rows.matrix)
    if std is None:
        return None
    return LeftOut(out, predicted, std, rows.top1 - predicted)


def _per_resolution(rows: MeasuredRows, refit: Refit) -> float:
    """Return the rate of the left-out resolution with the worst errors, more if there are few."""
    pixels = rows.matrix[:, 0]
    fitted = np.unique(pixels)
    wrong = 100 - float(rows.top1.mean())
    if len(fitted) in _PER_RESOLUTION:
        return wrong * _PER_RESOLUTION[len(fitted)]
    most = wrong * _PER_RESOLUTION[1]
    picked = fitted[np.unique(np.linspace(0, len(fitted) - 1, _MOST_RESOLUTIONS).astype(int))]
    rates: list[float] = []
    for resolution in picked:
        found = _left_out(rows, pixels == resolution, refit)
        if found is not None:
            others = tuple(fitted[fitted != resolution].tolist())
            (distance,) = resolution_distance(np.array([resolution]), others)
            # the model's own deviation where it was fitted: elsewhere it may be anything
            noise = float(np.mean(found.std[~found.out] ** 2))
            excess = float(np.mean(found.errors[found.out] ** 2)) - noise
            rates.append(float(np.sqrt(max(excess, 0.0)) / distance))
    return min(most, max(rates) * (1 + 1 / len(rates))) if rates else most


def _sides(
    rows: MeasuredRows, sizes: Array, predicted: Array, curve: Curve, refit: Refit
) -> list[Side]:
    """Return the ends of the coordinates, with the rates that cover what is left out there."""
    measured, full = (coordinates(a, sizes, curve) for a in (rows.top1, predicted))
    spread = float(rows.top1.std())
    sides = []
    for of in get_args(Coordinate):
        for sign in (1, -1) if of != "gain" else (1,):
            ordered = sign * measured[of]
            found = _left_out(rows, ordered > np.quantile(ordered, 1 - _SHARE), refit)
            if np.ptp(full[of]) > 0:
                rate = spread / 2 if found is None else _rate(found, sizes, of, sign)
                side = _side(full[of], of, sign)
                # what is gained beyond the start may all be the model's error, but no more: the
                # interval then reaches back to the start
                most = side.unit / _Z if of == "gain" else spread
                sides.append(side._replace(rate=min(rate, most)))
    pooled = [side.rate**2 for side in sides if side.of != "gain"]
    mean = float(np.mean(pooled)) if pooled else 0.0
    return [
        side
        if side.of == "gain"
        else side._replace(rate=float(np.sqrt(_SHRUNK * side.rate**2 + (1 - _SHRUNK) * mean)))
        for side in sides
    ]


def _rate(found: LeftOut, sizes: Array, of: Coordinate, sign: int) -> float:
    """Return the rate with which intervals cover nine in ten of the left-out rows, doubled."""
    curve = _curve(sizes[~found.out], found.predicted[~found.out])
    values = coordinates(found.predicted, sizes, curve)[of]
    if np.ptp(values[~found.out]) == 0:
        return 0.0
    distances = _side(values[~found.out], of, sign).distance(values[found.out])
    missing = (found.errors[found.out] / _Z) ** 2 - found.std[found.out] ** 2
    needed = np.sqrt(np.maximum(missing, 0)) / np.maximum(distances, _NEAR)
    return _CAUTION * float(np.quantile(needed, _COVERED))


def _side(values: Array, of: Coordinate, sign: int) -> Side:
    start = float(np.quantile(sign * values, 1 - _SHARE))
    return Side(of, sign, start, float(values.std()), 0.0)


def _curve(sizes: Array, accuracies: Array) -> Curve:
    """Return the usual accuracy as a polynomial of the multiply-adds, constant first."""
    own = sizes[:, 1]
    powers = np.stack([np.ones(len(own)), own, own**2], axis=1)
    constant, slope, bend = np.linalg.lstsq(powers, accuracies, rcond=None)[0].tolist()
    return constant, slope, bend


def _within(rows: MeasuredRows) -> float:
    """Return the standard deviation of accuracies of one resolution, in points."""
    _, place = np.unique(rows.matrix[:, 0], return_inverse=True)
    means = np.bincount(place, rows.top1) / np.bincount(place)
    return float(np.std(rows.top1 - means[place]))

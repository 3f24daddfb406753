"""Standard deviations that grow outside of what a predictor was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import array, number
from optuna_ofa.exceptions import FormatError

Array = NDArray[np.float64]
# the predicted accuracy, the logarithm of the multiply-adds at one resolution, and the predicted
# accuracy minus that which is usual for the multiply-adds at the subnet's own resolution
Coordinate = Literal["accuracy", "size", "gain"]
_MOST = 1e6


class Side(NamedTuple):
    """An end of the fitted range of a coordinate.

    Args:
        of: The coordinate.
        sign: 1 for its upper end, -1 for its lower one.
        start: Where the widening starts, times ``sign``.
        unit: Standard deviation of the coordinate over the fitted subnets.
        rate: Points for each unit beyond the start.
    """

    of: Coordinate
    sign: int
    start: float
    unit: float
    rate: float

    def distance(self, values: Array) -> Array:
        """Return how many units coordinates are beyond the start, ``(n,)``."""
        return np.maximum(0.0, (self.sign * values - self.start) / self.unit)


class Widening(NamedTuple):
    """How much less certain a predictor is outside of what it was fitted on.

    Its rates come from the errors that the same kind of model makes where a part of the rows is
    left out, see `widening_of`.

    Args:
        per_resolution: Points for each unit of distance between logarithms of resolutions.
        per_choice: Points for each choice that no fitted subnet had.
        sides: The ends of the fitted range.
        curve: ``(3,)`` the usual accuracy as a polynomial of the size, constant first.
    """

    per_resolution: float
    per_choice: float
    sides: tuple[Side, ...]
    curve: tuple[float, float, float]

    def variances(
        self, predicted: Array, *, sizes: Array, distances: Array, n_unseen: NDArray[np.int64]
    ) -> Array:
        """Return what is added to the variances of the model in squared points, ``(n,)``.

        Args:
            predicted: ``(n,)`` predicted accuracies.
            sizes: ``(n, 2)`` logarithms of multiply-adds, see `Support.sizes_of`.
            distances: ``(n,)`` `resolution_distance` from the fitted resolutions.
            n_unseen: ``(n,)`` number of choices that no fitted subnet had.
        """
        found = coordinates(predicted, sizes, self.curve)
        furthest = np.zeros(len(predicted))
        for side in self.sides:
            furthest = np.maximum(furthest, side.rate * side.distance(found[side.of]))
        resolutions, choices = self.per_resolution * distances, self.per_choice * n_unseen
        return np.asarray(furthest**2 + resolutions**2 + choices**2)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {**self._asdict(), "sides": [side._asdict() for side in self.sides]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Widening:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing or no possible number.
        """
        try:
            return cls(
                _rate(data["per_resolution"], "`per_resolution`"),
                _rate(data["per_choice"], "`per_choice`"),
                tuple(_side(side) for side in data["sides"]),
                tuple(array(data["curve"], "`curve` of `widening`", (3,)).tolist()),
            )
        except (KeyError, TypeError) as error:
            raise FormatError(
                f"`widening` must hold how standard deviations grow, but: {error!r:.300}."
            ) from error


def coordinates(
    accuracies: Array, sizes: Array, curve: tuple[float, float, float]
) -> dict[Coordinate, Array]:
    """Return the coordinates of subnets, each ``(n,)``, from ``(n, 2)`` logarithms of MACs."""
    alike, own = sizes.T
    usual = curve[0] + own * (curve[1] + own * curve[2])
    return {"accuracy": accuracies, "size": alike, "gain": accuracies - usual}


def resolution_distance(pixels: NDArray[Any], fitted: tuple[int, ...]) -> Array:
    """Return distances between logarithms of resolutions and the nearest fitted ones, ``(n,)``."""
    logs = np.log(np.asarray(pixels, dtype=np.float64))
    nearest = np.full(len(logs), np.inf)
    for resolution in fitted:
        nearest = np.minimum(nearest, np.abs(logs - np.log(float(resolution))))
    return np.where(np.isin(pixels, fitted), 0.0, nearest)


def _rate(value: Any, name: str) -> float:
    return number(value, f"{name} of `widening`", least=0, most=_MOST)


def _side(data: Mapping[str, Any]) -> Side:
    if data["of"] not in get_args(Coordinate) or data["sign"] not in (1, -1):
        raise FormatError(
            f"A side of `widening` must be an end of {', '.join(get_args(Coordinate))}, but is "
            f"{dict(data)!r:.200}."
        )
    return Side(
        data["of"],
        int(data["sign"]),
        number(data["start"], "`start` of `widening`", least=-_MOST, most=_MOST),
        number(data["unit"], "`unit` of `widening`", least=0, most=_MOST, above=True),
        _rate(data["rate"], "`rate`"),
    )

"""Measuring listed networks one by one, on behalf of a search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from _listed import Listed, Matrix, Values, Volume

GOALS = (90, 95, 99)


class EnoughError(Exception):
    """The search has found what it was to find, or may measure no more."""


class Tape:
    """Measures networks and notes which.

    A proposal that is not listed, or was measured before, becomes the nearest network that is and
    was not: that with the fewest parameters that differ, a random one of several. What proposed it
    is told of that network, parameters and values, as if it had proposed it itself.

    Args:
        listed: The networks.
        n_most: How many may be measured.
        seed: Of the choice among several nearest.
    """

    def __init__(self, listed: Listed, n_most: int, seed: int) -> None:
        self.listed, self.places = listed, list[int]()
        self._n_most = min(n_most, len(listed.matrix))
        self._free = np.ones(len(listed.matrix), dtype=bool)
        self._rng = np.random.default_rng(seed)
        self._volumes = {
            scale: Volume(listed.costs(logarithms=scale == "log")) for scale in ("log", "raw")
        }
        self._places_by_row = {row.tobytes(): i for i, row in enumerate(listed.matrix)}

    def nearest(self, row: Matrix) -> int:
        """Return the place of the nearest network that was not measured."""
        place = self._places_by_row.get(row.astype(np.int16).tobytes())
        if place is not None and self._free[place]:
            return place
        distances = (self.listed.matrix != row).sum(axis=1)
        distances[~self._free] = len(row) + 1
        return int(self._rng.choice(np.flatnonzero(distances == distances.min())))

    def place_of(self, row: Matrix) -> int:
        """Return the place of a listed network."""
        return self._places_by_row[row.astype(np.int16).tobytes()]

    def measure(self, place: int) -> tuple[float, ...]:
        """Return the published values of a network.

        Raises:
            EnoughError: If no more may be measured, or nothing more is to be found.
        """
        if len(self.places) >= self._n_most or self.is_done:
            raise EnoughError(f"{len(self.places)} networks are enough")
        self._free[place] = False
        self.places.append(place)
        for volume in self._volumes.values():
            volume.add(place)
        return tuple(self.listed.values[place].tolist())

    @property
    def is_done(self) -> bool:
        """Whether the last goal is reached on both scales."""
        shares = (volume.shares for volume in self._volumes.values())
        return all(len(found) > 0 and found[-1] >= GOALS[-1] for found in shares)

    def shares(self, scale: str) -> Values:
        """The share of the hypervolume after each measurement, in percent."""
        return np.array(self._volumes[scale].shares)


def reached(shares: Values, goals: Sequence[int] = GOALS) -> list[int | None]:
    """Return after how many measurements each goal was reached; None where it was not."""
    return [
        int(np.argmax(shares >= goal)) + 1 if (shares >= goal).any() else None for goal in goals
    ]

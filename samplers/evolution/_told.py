"""A set of subnets with results, for hundreds of thousands of them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Keys, Matrix, first_of_each, keys_of

IsKnown = Callable[[Keys], NDArray[np.bool_]]

# keys wait in a dict until there are this many, or this many are looked up
_N_LOOSE = 1000
_MANY = 100


class ToldSubnets:
    """A set of keys with the position at which each was added, in 16 bytes each."""

    def __init__(self) -> None:
        self._keys: Keys = np.empty(0, dtype=np.uint64)  # ascending
        self._places: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._loose: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._keys) + len(self._loose)

    def copy(self) -> ToldSubnets:
        """Return an independent copy."""
        other = copy.copy(self)  # the arrays are never changed in place
        other._loose = dict(self._loose)
        return other

    def add(self, keys: Keys) -> NDArray[np.intp]:
        """Add keys; return the indices of the new ones, each once, ascending."""
        new = first_of_each(keys)
        new = new[~self.contains(keys[new])]
        places = range(len(self), len(self) + len(new))
        self._loose.update(zip(keys[new].tolist(), places, strict=True))
        if len(self._loose) > _N_LOOSE:
            self._sort_in()
        return new

    def contains(self, keys: Keys, *, before: int | None = None) -> NDArray[np.bool_]:
        """Return which keys are in the set, ``(n,)``; with ``before``, among the first so many."""
        limit = len(self) if before is None else before
        if self._loose and len(keys) > _MANY:
            self._sort_in()
        at = np.searchsorted(self._keys, keys)
        at[at == len(self._keys)] = 0
        found = np.zeros(len(keys), dtype=bool)
        if len(self._keys):
            found = (self._keys[at] == keys) & (self._places[at] < limit)
        if self._loose and limit > len(self._keys):
            places = (self._loose.get(key, limit) for key in keys.tolist())
            found |= np.fromiter(places, np.int64, len(keys)) < limit
        return found

    def _sort_in(self) -> None:
        loose = np.fromiter(self._loose, np.uint64, len(self._loose))
        places = np.fromiter(self._loose.values(), np.int64, len(loose))
        order = np.argsort(loose)
        at = np.searchsorted(self._keys, loose[order])
        self._keys = np.insert(self._keys, at, loose[order])
        self._places = np.insert(self._places, at, places[order])
        self._loose = {}


def unknown(rows: Matrix, is_known: IsKnown) -> NDArray[np.intp]:
    """Return the index of the first row of each subnet that is not known, ascending."""
    keys = keys_of(rows)
    first = first_of_each(keys)
    return first[~is_known(keys[first])]

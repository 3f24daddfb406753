"""The fixed order in which images are evaluated in a race, and parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError

Integers = NDArray[np.int64]


class Part(NamedTuple):
    """Some images of a loader, by their positions in a pass over it.

    Args:
        positions: ``(n,)`` positions, ascending.
        labels: ``(n,)`` their classes.
        sums: ``(n,)`` their checksums; None where the loader depends on the resolution.
        ranks: ``(n,)`` which of the chosen ones each of them is.
    """

    positions: Integers
    labels: Integers
    sums: Integers | None
    ranks: Integers

    def require(self, labels: Integers, sums: Integers) -> None:
        """Raise if a pass over the loader has given other images than the one before.

        Args:
            labels: ``(n,)`` classes of the images that it gave.
            sums: ``(n,)`` their checksums.

        Raises:
            InvalidArgumentError: If they differ.
        """
        same = np.array_equal(labels, self.labels)
        if not same or (self.sums is not None and not np.array_equal(sums, self.sums)):
            raise InvalidArgumentError(
                "`loader` must give the same images in the same order each time it is read, so "
                "that subnets race on the same images, but another pass gave others."
            )


class Order(NamedTuple):
    """All images of a loader in an order that depends on the images alone.

    It is that of their hashes, which is as good as random, with each class spread evenly over it,
    no matter in which order the loader gives them.

    Args:
        positions: ``(n,)`` their positions in a pass over the loader.
        labels: ``(n,)`` classes by position.
        sums: ``(n,)`` checksums by position; None where the loader depends on the resolution.
    """

    positions: Integers
    labels: Integers
    sums: Integers | None

    def __len__(self) -> int:
        return len(self.positions)

    def part(self, places: Integers) -> Part:
        """Return the images at some places of the order."""
        chosen = self.positions[places]
        positions = np.sort(chosen)
        sums = None if self.sums is None else self.sums[positions]
        return Part(positions, self.labels[positions], sums, np.argsort(chosen))


def order_of(hashes: Sequence[bytes], labels: Integers, sums: Integers | None) -> Order:
    """Return the order of images.

    Args:
        hashes: ``n`` hashes of images with their labels, by position.
        labels: ``(n,)`` classes.
        sums: As in `Order`.
    """
    by_hash = np.array(sorted(range(len(hashes)), key=hashes.__getitem__), dtype=np.int64)
    of_class = labels[by_hash]
    within = np.empty(len(by_hash))
    for label in np.unique(of_class):
        own = np.flatnonzero(of_class == label)
        within[own] = (np.arange(len(own)) + 0.5) / len(own)
    return Order(by_hash[np.argsort(within, kind="stable")], labels, sums)

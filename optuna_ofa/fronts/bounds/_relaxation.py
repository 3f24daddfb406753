"""The largest value of a sum over buckets, by eliminating one bucket after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts.bounds._buckets import Bucket

Array = NDArray[np.float64]


class Relaxed(NamedTuple):
    """The maxima of ``n`` sums over buckets.

    Args:
        best: ``(n,)`` the largest sums.
        values: For each bucket, ``(n, *shape)`` the largest sum of its own number and all that
            was eliminated into it.
        maxima: The same after the bucket's own setting was chosen: ``(n, *shape[1:])``.
    """

    best: Array
    values: tuple[Array, ...]
    maxima: tuple[Array, ...]

    def losses(self, bucket: int, one: int) -> Array:
        """Return how much each setting of a bucket loses to its best one, in one of the sums.

        The losses of a subnet's settings add up to how far its sum is below ``best``.
        """
        return np.asarray(self.maxima[bucket][one] - self.values[bucket][one])


def relax(buckets: Sequence[Bucket], parts: Sequence[Array]) -> Relaxed:
    """Return the maxima of sums.

    Args:
        buckets: The buckets.
        parts: For each bucket, ``(n, *shape)`` numbers.
    """
    best = np.zeros(len(parts[0]))
    values: list[Array] = []
    maxima: list[Array] = []
    for bucket, part in zip(buckets, parts, strict=True):
        total = part
        for child in bucket.children:
            total = total + spread(maxima[child], buckets[child].scope[1:], bucket.scope)
        values.append(total)
        maxima.append(total.max(axis=1))
        if bucket.is_root:
            best = best + maxima[-1]
    return Relaxed(best, tuple(values), tuple(maxima))


def spread(message: Array, scope: Sequence[int], wider: Sequence[int]) -> Array:
    """Return a message ``(n, *shape)`` with axes of length 1 for what it does not depend on."""
    sizes = dict(zip(scope, message.shape[1:], strict=True))
    return message.reshape(len(message), *(sizes.get(k, 1) for k in wider))


def settings_of(buckets: Sequence[Bucket], found: Relaxed) -> list[NDArray[np.intp]]:
    """Return the best setting of each bucket in each of the ``n`` sums, ``(n,)`` each."""
    n = np.arange(len(found.best))
    chosen: list[NDArray[np.intp]] = [n] * len(buckets)
    for i in reversed(range(len(buckets))):
        later = tuple(chosen[k] for k in buckets[i].scope[1:])
        values = np.moveaxis(found.values[i], 1, -1)[(n, *later)]
        chosen[i] = values.argmax(axis=-1)
    return chosen


def picked(
    buckets: Sequence[Bucket], parts: Sequence[Array], chosen: Sequence[NDArray[np.intp]]
) -> Array:
    """Return the sums of the numbers of chosen settings, ``(n,)``.

    Args:
        buckets: The buckets.
        parts: For each bucket, ``(n, *shape)`` numbers, or ``(1, *shape)`` for all.
        chosen: For each bucket, ``(n,)`` the settings.
    """
    total = np.zeros(len(chosen[0]))
    for bucket, part in zip(buckets, parts, strict=True):
        lead = np.arange(len(part)) if len(part) == len(total) else 0
        total += part[(lead, *(chosen[k] for k in bucket.scope))]
    return total

"""The parts of additive predictions: a number for each setting of each bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum
from optuna_ofa.fronts.bounds._buckets import Bucket
from optuna_ofa.predictors import Terms
from optuna_ofa.space import Matrix, SearchSpace

Array = NDArray[np.float64]


class Table(NamedTuple):
    """A quantity that is a sum over buckets, at each resolution.

    Args:
        parts: For each bucket, ``(n_resolutions, *shape)`` numbers.
        rest: ``(n_resolutions,)`` what no gene but the resolution determines.
        magnitude: The largest sum of absolute values of the numbers that are added up.
    """

    parts: tuple[Array, ...]
    rest: Array
    magnitude: float

    def times(self, factor: float) -> Table:
        """Return the quantity times a factor of 1 or -1."""
        if factor == 1:
            return self
        return Table(
            tuple(factor * part for part in self.parts), factor * self.rest, self.magnitude
        )


def table_of(space: SearchSpace, buckets: Sequence[Bucket], terms: Terms) -> Table:
    """Return the parts of a prediction, without its curves."""
    pixels = np.array(space.resolutions, dtype=np.int16)
    parts = [np.zeros((len(pixels), *bucket.shape)) for bucket in buckets]
    rest = np.zeros(len(pixels))
    magnitude = 0.0
    if terms.of_resolution is not None:
        rest += terms.of_resolution(pixels)
        magnitude += float(np.abs(rest).max())
    if terms.of_genes is not None:
        smallest = space.to_matrix([space.smallest()])
        rest += terms.of_genes(_at(smallest, pixels))[:, 0]
        for part, bucket in zip(parts, buckets, strict=True):
            own = terms.of_genes(bucket.rows)[:, bucket.genes].sum(axis=1)
            part += own.reshape(bucket.shape)
    for weight, total in terms.sums:
        found = layer_table(space, buckets, total, pixels)
        for part, other in zip(parts, found.parts, strict=True):
            part += weight * other
        rest += weight * found.rest
        magnitude += abs(weight) * found.magnitude
    return Table(tuple(parts), rest, magnitude + sum(float(np.abs(p).max()) for p in parts))


def layer_table(
    space: SearchSpace, buckets: Sequence[Bucket], total: LayerSum, pixels: NDArray[np.int16]
) -> Table:
    """Return the parts of a sum over layers.

    Args:
        space: The subnets.
        buckets: Their buckets.
        total: The sum.
        pixels: ``(n,)`` the resolution at which it is counted, for each resolution of the result.
    """
    parts = []
    for bucket in buckets:
        prices = total.parts(_at(bucket.rows, pixels))[list(bucket.slots)].sum(axis=0)
        parts.append(prices.reshape(len(pixels), *bucket.shape))
    taken = {index for bucket in buckets for index in bucket.slots}
    smallest = _at(space.to_matrix([space.smallest()]), pixels)
    prices = total.parts(smallest)
    rest = prices[[i for i in range(len(prices)) if i not in taken]].sum(axis=0)
    size = float(np.abs(rest).max()) + sum(float(np.abs(part).max()) for part in parts)
    return Table(tuple(parts), rest, size)


def _at(rows: Matrix, pixels: NDArray[np.int16]) -> Matrix:
    """Return the rows at each resolution, one resolution after the other."""
    repeated = np.tile(rows, (len(pixels), 1))
    repeated[:, 0] = np.repeat(pixels, len(rows))
    return repeated

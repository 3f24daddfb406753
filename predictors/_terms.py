"""Predictions as sums: what a proof about all subnets of a space needs to know of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]


class LogCurve(NamedTuple):
    """A function of a cost that adds up over layers: ``linear l + square l^2``.

    ``l`` is the logarithm of the cost, which is ``low`` where ``l`` is 0, divided by ``span``.

    Args:
        name: The cost in words.
        total: The cost.
        pixels: The input size at which the cost of every subnet is counted.
        linear: Weight of the logarithm.
        square: Weight of its square.
        low: Logarithm of the cost at ``l = 0``.
        span: Difference of logarithms from ``l = 0`` to ``l = 1``.
    """

    name: str
    total: LayerSum
    pixels: int
    linear: float
    square: float
    low: float
    span: float

    def tangent(self, cost: Array) -> tuple[Array, Array]:
        """Return slopes and offsets of the lines that touch the function at costs, ``(n,)`` each.

        No value is above them where the function is concave.
        """
        logs = (np.log(cost) - self.low) / self.span
        slope = (self.linear + 2 * self.square * logs) / (self.span * cost)
        return slope, self.linear * logs + self.square * logs**2 - slope * cost

    def __call__(self, matrix: Matrix) -> Array:
        """Return the values of subnets, ``(n,)``."""
        counted = matrix.copy()
        counted[:, 0] = self.pixels
        slope, offset = self.tangent(cost := self.total(counted))
        return np.asarray(offset + slope * cost)

    def is_concave(self, low: float, high: float) -> bool:
        """Return whether the function is concave between two costs.

        The sign of its second derivative is that of ``2 square / span - linear - 2 square l``,
        which is linear in ``l``, so the two ends tell.
        """
        logs = (np.log([low, high]) - self.low) / self.span
        slopes = self.linear + 2 * self.square * logs
        return bool(low == high or (2 * self.square / self.span <= slopes).all())


class Terms(NamedTuple):
    """A prediction as a sum; each part is a function of the subnet alone.

    Args:
        of_resolution: Takes ``(n,)`` input sizes in pixels; returns ``(n,)`` numbers.
        of_genes: Takes ``(n, n_genes)`` canonical genotypes; returns ``(n, n_genes)`` numbers,
            each of which depends on its gene alone. None adds nothing.
        sums: Sums over layers, each with its weight.
        curves: Functions of sums over layers.
    """

    of_resolution: Callable[[NDArray[np.int16]], Array] | None = None
    of_genes: Callable[[Matrix], Array] | None = None
    sums: tuple[tuple[float, LayerSum], ...] = ()
    curves: tuple[LogCurve, ...] = ()

    def scaled(self, factor: float) -> Terms:
        """Return the sum times a factor."""
        pixels, genes = self.of_resolution, self.of_genes
        return Terms(
            None if pixels is None else lambda r: factor * pixels(r),
            None if genes is None else lambda matrix: factor * genes(matrix),
            tuple((factor * weight, of) for weight, of in self.sums),
            tuple(
                c._replace(linear=factor * c.linear, square=factor * c.square) for c in self.curves
            ),
        )

    def plus(self, other: Terms) -> Terms:
        """Return the sum of both."""
        return Terms(
            _both(self.of_resolution, other.of_resolution),
            _both(self.of_genes, other.of_genes),
            self.sums + other.sums,
            self.curves + other.curves,
        )

    def __call__(self, matrix: Matrix) -> Array:
        """Return the sums of canonical genotypes, ``(n,)``."""
        total = np.zeros(len(matrix))
        if self.of_resolution is not None:
            total += self.of_resolution(matrix[:, 0])
        if self.of_genes is not None:
            total += self.of_genes(matrix).sum(axis=1)
        for weight, of in self.sums:
            total += weight * of(matrix)
        for curve in self.curves:
            total += curve(matrix)
        return total


def _both(
    one: Callable[[Any], Array] | None, other: Callable[[Any], Array] | None
) -> Callable[[Any], Array] | None:
    if one is None or other is None:
        return one or other
    return lambda of: one(of) + other(of)

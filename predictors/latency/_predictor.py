"""Latency of whole subnets from a table of layers."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.costs import LayerSum
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.space import Layer, Matrix, SearchSpace


class LatencyPredictor(Predictor):
    """Latency of whole subnets: the sum of a table's entries.

    Args:
        table: The table; missing resolutions of the space are interpolated if it allows that.
        space: The subnets. Every layer that any of them can have is looked up in advance.

    Raises:
        FamilyMismatchError: If the table is for another architecture or width.
        InvalidArgumentError: If the table lacks a resolution of the space.
        MissingEntryError: If it lacks a layer: with the key, a subnet that needs it, and the
            nearest keys.
    """

    metric = "latency_ms"

    @checked
    def __init__(self, *, table: LatencyTable, space: SearchSpace) -> None:
        table.require(space)
        self.space = space
        table = table.fill(space)
        self.table: LatencyTable = table
        n_classes = space.family.head.n_classes
        self._mean = LayerSum(space, partial(_mean, table, n_classes))
        self._variance = (
            LayerSum(space, partial(_variance, table, n_classes)) if table.has_spread else None
        )

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return milliseconds, ``(n,)``: the sum of the means."""
        return self._mean(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the exact sums, which are cheap."""
        return lambda matrix, _: self.predict(matrix)

    def terms(self) -> Terms:
        """Return the sum over layers."""
        return Terms(sums=((1.0, self._mean),))

    @checked
    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Return standard deviations of a single run in milliseconds, layers in quadrature.

        None if the table has no standard deviations; NaN for subnets with a layer without one.
        """
        if self._variance is None:
            return None
        variance = self._variance(matrix)
        return np.sqrt(np.where(np.isinf(variance), np.nan, variance))


def _mean(table: LatencyTable, n_classes: int, layer: Layer, resolution: int) -> float:
    return table.layer(layer, resolution, n_classes).mean_ms


def _variance(table: LatencyTable, n_classes: int, layer: Layer, resolution: int) -> float:
    std = table.layer(layer, resolution, n_classes).std_ms
    return math.inf if math.isnan(std) else std**2  # a price of NaN means no price

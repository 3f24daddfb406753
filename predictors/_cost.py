"""Exact costs as predictors, so that they can be used as objectives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.costs import (
    LayerMax,
    LayerSum,
    layer_bytes_moved,
    layer_macs,
    layer_params,
    layer_peak_bytes,
)
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.space import Layer, Matrix, SearchSpace

_MB = 1e6
_PRICES: dict[str, Callable[[Layer], float]] = {
    "n_macs": layer_macs,
    "n_params": layer_params,
    "moved_mb": lambda layer: layer_bytes_moved(layer) / _MB,
    "peak_memory_mb": lambda layer: layer_peak_bytes(layer) / _MB,
}
COSTS = tuple(_PRICES)


class CostPredictor(Predictor):
    """Exact multiply-adds, parameters or memory of the extracted subnet.

    Args:
        metric: ``"n_macs"`` (one multiply-add counts once), ``"n_params"``, ``"moved_mb"``
            (activations and weights that the operators read and write) or ``"peak_memory_mb"``
            (largest memory of activations at any time), both in 10^6 bytes, float32, one image.
        space: The subnets.

    Raises:
        InvalidArgumentError: If the metric is none of these.
    """

    @checked
    def __init__(self, metric: str, space: SearchSpace) -> None:
        if metric not in _PRICES:
            raise InvalidArgumentError(
                f"`metric` must be one of {', '.join(COSTS)}, but got {metric!r}."
            )
        self.metric = metric
        self.space = space
        price = _PRICES[metric]
        total = LayerMax if metric == "peak_memory_mb" else LayerSum
        self._sum = total(space, lambda layer, _: price(layer))

    def terms(self) -> Terms | str:
        """Return the sum over layers; memory has a peak, which is none."""
        if isinstance(self._sum, LayerMax):
            return f"{self.metric} is the largest value of all layers, not their sum"
        return Terms(sums=((1.0, self._sum),))

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the exact costs; counts as floats (integers up to 2^53)."""
        return self._sum(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the exact counts, which are cheap to compute."""
        return lambda matrix, _: self.predict(matrix)

"""Costs in closed form as predictors, so that they can be used as objectives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.costs import (
    KILOBYTE,
    ArenaBytes,
    LayerMax,
    LayerSum,
    layer_bytes_moved,
    layer_flash_bytes,
    layer_macs,
    layer_params,
    layer_peak_bytes,
    placements,
    shared_flash_bytes,
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
EXACT_COSTS = tuple(_PRICES)
COSTS = (*EXACT_COSTS, "sram_kb", "flash_kb")
_NO_SUMS = {
    "peak_memory_mb": "is the largest value of all layers, not their sum",
    "sram_kb": "is a plan of the memory for the whole network, not a sum over layers",
}


class CostPredictor(Predictor):
    """Multiply-adds, parameters or memory of the extracted subnet, in closed form.

    Args:
        metric: ``"n_macs"`` (one multiply-add counts once), ``"n_params"``, ``"moved_mb"``
            (activations and weights that the operators read and write) or ``"peak_memory_mb"``
            (largest memory of activations at any time), both in 10^6 bytes, float32, one image.
            These are exact. Of the subnet as an INT8 TFLite file: ``"sram_kb"``, the arena of
            `TFLite Micro <https://github.com/tensorflow/tflite-micro>`_, see
            `optuna_ofa.costs.arena_bytes`, and ``"flash_kb"``, the size of the file, both in
            units of 1,024 bytes. These are predictions for one version of the runtime.
        space: The subnets.

    Raises:
        InvalidArgumentError: If the metric is none of these.
    """

    @checked
    def __init__(self, metric: str, space: SearchSpace) -> None:
        if metric not in COSTS:
            raise InvalidArgumentError(
                f"`metric` must be one of {', '.join(COSTS)}, but got {metric!r}."
            )
        self.metric = metric
        self.space = space
        self._cost = _cost_of(metric, space)

    def terms(self) -> Terms | str:
        """Return the sum over layers; memory that is shared over time is none."""
        if self.metric in _NO_SUMS or not isinstance(self._cost, LayerSum):
            return f"{self.metric} {_NO_SUMS[self.metric]}"
        return Terms(sums=((1.0, self._cost),))

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the costs; counts as floats (integers up to 2^53)."""
        return self._cost(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the costs themselves, which are cheap to compute."""
        return lambda matrix, _: self.predict(matrix)


class _ArenaKilobytes:
    """The arenas of subnets in units of 1,024 bytes."""

    def __init__(self, space: SearchSpace) -> None:
        self._bytes = ArenaBytes(space)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        return self._bytes(matrix) / KILOBYTE


def _cost_of(metric: str, space: SearchSpace) -> LayerSum | _ArenaKilobytes:
    if metric == "sram_kb":
        return _ArenaKilobytes(space)
    if metric == "flash_kb":
        return _flash(space)
    price = _PRICES[metric]
    total = LayerMax if metric == "peak_memory_mb" else LayerSum
    return total(space, lambda layer, _: price(layer))


def _flash(space: SearchSpace) -> LayerSum:
    """Return the sum; the one classifier bears what the layers of the space can share."""
    shared = shared_flash_bytes(dict.fromkeys(one.layer for one in placements(space)))

    def price(layer: Layer, _: int) -> float:
        extra = shared if layer.kind == "linear" else 0
        return (layer_flash_bytes(layer) + extra) / KILOBYTE

    return LayerSum(space, price)

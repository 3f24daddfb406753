"""Multiply-adds and parameters as predictors, so that they can be objectives too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.space import Layer, SearchSpace
from optuna_ofa.space._space import Matrix

_PRICES: dict[str, Callable[[Layer], int]] = {"n_macs": layer_macs, "n_params": layer_params}


class CostPredictor(Predictor):
    """Exact multiply-adds or parameters of the extracted subnet.

    Args:
        metric: ``"n_macs"`` (one multiply-add counts once) or ``"n_params"``.
        space: The subnets.

    Raises:
        InvalidArgumentError: If the metric is neither.
    """

    def __init__(self, metric: str, space: SearchSpace) -> None:
        if metric not in _PRICES:
            raise InvalidArgumentError(
                f"`metric` must be 'n_macs' or 'n_params', but got {metric!r}."
            )
        self.metric = metric
        self.space = space
        price = _PRICES[metric]
        self._sum = LayerSum(space, lambda layer, _: price(layer))

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """The exact counts, as floats (integers up to 2^53)."""
        return self._sum(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel:
        """The counts themselves, which cost next to nothing."""
        return lambda matrix, _: self.predict(matrix)

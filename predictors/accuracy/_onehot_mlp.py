"""The published networks, which predict accuracy from one-hot inputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._blocks import KnownTangents, in_blocks
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.space import Matrix, OneHotEncoding, SearchSpace


class OneHotMLP(AccuracyModel):
    """A multilayer perceptron on one-hot inputs; its output is a fraction.

    Args:
        encoding: The encoding of its inputs.
        space: The space of the matrices.
        layers: Weight and bias of each linear layer, ReLU between them.
        base: Added to the output.
    """

    def __init__(
        self,
        *,
        encoding: OneHotEncoding,
        space: SearchSpace,
        layers: list[tuple[torch.Tensor, torch.Tensor | None]],
        base: float = 0.0,
    ) -> None:
        self.encoding = encoding
        self._space = space
        self.layers = layers
        self.base = base
        self._known_tangents = KnownTangents(self._tangents)

    @torch.inference_mode()
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        rows = self._space.check(matrix)
        inputs = torch.from_numpy(self.encoding.encode(self._space, rows))
        return self._percent(in_blocks(self._forward, inputs)[:, 0])

    @torch.inference_mode()
    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the tangent at each anchor: how the accuracy changes with each input."""
        inputs = torch.from_numpy(self.encoding.encode(self._space, anchors))
        tangents = self._known_tangents(anchors, inputs)
        values = self._percent(tangents[:, 0])
        slopes = 100 * tangents[:, 1:].numpy()
        levels = values - np.einsum("ij,ij->i", inputs.numpy(), slopes)

        def tangent(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
            changes = self.encoding.encode(self._space, matrix)
            return np.asarray(levels[anchor] + np.einsum("ij,ij->i", changes, slopes[anchor]))

        return tangent

    def _percent(self, fractions: torch.Tensor) -> NDArray[np.float64]:
        return np.asarray((fractions.numpy().astype(np.float64) + self.base) * 100)

    @torch.inference_mode()  # a mode of the thread, not of the program
    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(self.layers):
            x = torch.nn.functional.linear(x.relu_() if i else x, weight, bias)
        return x

    @torch.inference_mode()
    def _tangents(self, x: torch.Tensor) -> torch.Tensor:
        """Return each output and its derivative by each input, ``(n, 1 + n_inputs)``."""
        active = []
        for weight, bias in self.layers[:-1]:
            x = torch.nn.functional.linear(x, weight, bias)
            active.append(x > 0)
            x = x.relu_()
        weight, bias = self.layers[-1]
        values = torch.nn.functional.linear(x, weight, bias)
        slopes = weight.expand(len(x), -1)
        for (weight, _), mask in zip(self.layers[-2::-1], active[::-1], strict=True):
            slopes = (slopes * mask) @ weight
        return torch.cat([values, slopes], dim=1)

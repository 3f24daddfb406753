"""The published networks that predict accuracy from one-hot inputs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa.predictors._accuracy_model import AccuracyModel
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._onehot import Encoding
from optuna_ofa.space._space import Matrix

# Matrix products give other last bits at other sizes, so rows always go through in this many.
_BLOCK = 128
# The number of torch's threads belongs to the program: one prediction at a time may change it.
_TORCH_THREADS = threading.Lock()


class PublishedMLP(AccuracyModel):
    """A published multilayer perceptron on one-hot inputs; its output is a fraction.

    Args:
        encoding: How its inputs are made.
        space: The space of the matrices.
        layers: Weight and bias of each linear layer, ReLU between them.
        base: Added to the output.
    """

    def __init__(
        self,
        *,
        encoding: Encoding,
        space: SearchSpace,
        layers: list[tuple[torch.Tensor, torch.Tensor | None]],
        base: float = 0.0,
    ) -> None:
        self.encoding = encoding
        self._space = space
        self._layers = layers
        self._base = base

    @torch.inference_mode()
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Top-1 accuracies in percent, ``(n,)``."""
        rows = self._space.check(matrix)
        inputs = torch.from_numpy(self.encoding.encode(self._space, rows))
        return self._percent(_in_blocks(self._forward, inputs)[:, 0])

    @torch.inference_mode()
    def local_model(self, anchors: Matrix) -> LocalModel:
        """The tangent at each anchor: how the accuracy changes with each input."""
        inputs = torch.from_numpy(self.encoding.encode(self._space, anchors))
        levels_and_slopes = _in_blocks(self._tangents, inputs)
        values = self._percent(levels_and_slopes[:, 0])
        slopes = 100 * levels_and_slopes[:, 1:].numpy()
        levels = values - np.einsum("ij,ij->i", inputs.numpy(), slopes)

        def tangent(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
            changes = self.encoding.encode(self._space, matrix)
            return np.asarray(levels[anchor] + np.einsum("ij,ij->i", changes, slopes[anchor]))

        return tangent

    def _percent(self, fractions: torch.Tensor) -> NDArray[np.float64]:
        return np.asarray((fractions.numpy().astype(np.float64) + self._base) * 100)

    @torch.inference_mode()  # a mode of the thread, not of the program
    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(self._layers):
            x = torch.nn.functional.linear(x.relu_() if i else x, weight, bias)
        return x

    @torch.inference_mode()
    def _tangents(self, x: torch.Tensor) -> torch.Tensor:
        """Each output and its derivative by each input, ``(n, 1 + n_inputs)``."""
        active = []
        for weight, bias in self._layers[:-1]:
            x = torch.nn.functional.linear(x, weight, bias)
            active.append(x > 0)
            x = x.relu_()
        weight, bias = self._layers[-1]
        values = torch.nn.functional.linear(x, weight, bias)
        slopes = weight.expand(len(x), -1)
        for (weight, _), mask in zip(self._layers[-2::-1], active[::-1], strict=True):
            slopes = (slopes * mask) @ weight
        return torch.cat([values, slopes], dim=1)


def _in_blocks(
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor
) -> torch.Tensor:
    """``forward`` of all rows, ``(n, n_outputs)``."""
    padded = torch.zeros(max(1, -(-len(inputs) // _BLOCK)) * _BLOCK, inputs.shape[1])
    padded[: len(inputs)] = inputs
    return torch.cat(_on_all_cores(forward, torch.split(padded, _BLOCK)))[: len(inputs)]


def _on_all_cores(
    forward: Callable[[torch.Tensor], torch.Tensor], blocks: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Each block on one core, several at a time.

    Torch's own threads share each product and wait for each other after it, which makes products
    this small 25 times slower where other programs use the processor too.
    """
    with _TORCH_THREADS:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            if n_threads == 1 or len(blocks) < 8:
                return [forward(block) for block in blocks]
            with ThreadPoolExecutor(n_threads) as pool:
                return list(pool.map(forward, blocks))
        finally:
            torch.set_num_threads(n_threads)

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
# Few tangents are new in a generation.
_TANGENT_BLOCK = 32
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
        self._tangents_before: tuple[Matrix, torch.Tensor] | None = None

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
        tangents = self._known_or_new(anchors, inputs)
        values = self._percent(tangents[:, 0])
        slopes = 100 * tangents[:, 1:].numpy()
        levels = values - np.einsum("ij,ij->i", inputs.numpy(), slopes)

        def tangent(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
            changes = self.encoding.encode(self._space, matrix)
            return np.asarray(levels[anchor] + np.einsum("ij,ij->i", changes, slopes[anchor]))

        return tangent

    def _known_or_new(self, anchors: Matrix, inputs: torch.Tensor) -> torch.Tensor:
        """`_tangents` of anchors, most of which were those of the last call in a search."""
        tangents = torch.empty(len(inputs), 1 + inputs.shape[1])
        before = self._tangents_before
        places = {row.tobytes(): i for i, row in enumerate(before[0])} if before else {}
        place = np.array([places.get(row.tobytes(), -1) for row in anchors], dtype=np.intp)
        known, new = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
        if before and len(known):
            tangents[known] = before[1][place[known]]
        if len(new):
            tangents[new] = _in_blocks(self._tangents, inputs[new], _TANGENT_BLOCK)
        self._tangents_before = anchors.copy(), tangents
        return tangents

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
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, size: int = _BLOCK
) -> torch.Tensor:
    """``forward`` of all rows, ``(n, n_outputs)``, ``size`` of them at a time."""
    padded = torch.zeros(max(1, -(-len(inputs) // size)) * size, inputs.shape[1])
    padded[: len(inputs)] = inputs
    return torch.cat(_on_all_cores(forward, torch.split(padded, size)))[: len(inputs)]


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

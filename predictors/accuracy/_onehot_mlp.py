"""The published networks, which predict accuracy from one-hot inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa._values import number, pixels
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._blocks import equal_sizes, in_blocks
from optuna_ofa.predictors._changed_genes import GeneTable
from optuna_ofa.predictors._known_tangents import KnownTangents
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.space import (
    Matrix,
    OneHotEncoding,
    SearchSpace,
    mobilenet_encoding,
    resnet_encoding,
    tutorial_encoding,
)

_PIECE = 8192  # subnets whose inputs are in memory at once
_TANGENT_BLOCK = (32,)  # only a few anchors are new in each generation


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
        self._genes = GeneTable(*encoding.layout(space), len(space.genes))
        self._known_tangents = KnownTangents(self._tangents)
        # transposed, without gradients and with a bias each: faster for few rows
        self._products = [
            (w.detach().t().contiguous(), torch.zeros(len(w)) if b is None else b.detach())
            for w, b in layers
        ]
        self._sizes: tuple[int, ...] = ()  # found when it first predicts

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        if not self._sizes:
            self._sizes = equal_sizes(self._layers, self.encoding.n_inputs)
        values = np.empty(len(matrix))
        for start in range(0, max(len(matrix), 1), _PIECE):
            piece = slice(start, start + _PIECE)
            rows = self._space.check(matrix[piece])
            outputs = in_blocks(self._forward, self._inputs(rows), self._sizes)
            values[piece] = self._percent(outputs.numpy()[:, 0])
        return values

    def local_model(self, anchors: Matrix) -> LocalModel:
        """Return the tangent at each anchor: how the accuracy changes with each input."""
        tangents = self._known_tangents(anchors, self._inputs(anchors))
        values = self._percent(tangents[:, 0])
        change = self._genes.changes(anchors, 100 * tangents[:, 1:])
        return lambda matrix, anchor: values[anchor] + change(matrix, anchor)

    def _inputs(self, matrix: Matrix) -> NDArray[np.float32]:
        """Return ``(n, n_inputs)`` zeros and ones for rows of the space."""
        rows, genes = self._space.canonicalize(matrix), self._genes
        return np.asarray(rows.take(genes.columns, axis=1) == genes.values, dtype=np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the encoding and the layers, JSON-ready and without loss."""
        return {
            "kind": "published",
            "encoding": self.encoding.name,
            "resolutions": list(self.encoding.resolutions),
            "base": self.base,
            "layers": [
                {
                    "weight": encode_array(weight.numpy()),
                    "bias": None if bias is None else encode_array(bias.numpy()),
                }
                for weight, bias in self.layers
            ],
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> OneHotMLP:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing, or does not fit together or the space.
        """
        try:
            encoding = _encoding(
                space, data["encoding"], pixels(data["resolutions"], "`resolutions`")
            )
            base = number(data["base"], "`base`", least=-1, most=1)
            layers = [_layer(layer) for layer in data["layers"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"`model` must hold a published network, but: {error!r:.300}."
            ) from error
        widths = [encoding.n_inputs, *(len(weight) for weight, _ in layers)]
        if widths[-1] != 1 or [weight.shape[1] for weight, _ in layers] != widths[:-1]:
            raise FormatError(
                f"`layers` must lead from {encoding.n_inputs} inputs to one output, but have "
                f"{[tuple(weight.shape) for weight, _ in layers]!r:.300}."
            )
        unknown = sorted(set(space.resolutions) - set(encoding.resolutions))
        if space.family.architecture not in encoding.architectures or unknown:
            raise FormatError(
                f"`encoding` {encoding.name!r} must be for {space.family.architecture} and all "
                f"resolutions of the file, but is for {encoding.architectures} and "
                f"{encoding.resolutions}."
            )
        return cls(encoding=encoding, space=space, layers=layers, base=base)

    def _percent(self, fractions: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray((fractions.astype(np.float64) + self.base) * 100)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        for i, (weight, bias) in enumerate(self._products):
            x = torch.addmm(bias, x.relu_() if i else x, weight)
        return x

    def _layers(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs of all layers."""
        outputs = []
        for weight, bias in self._products:
            outputs.append(torch.addmm(bias, x, weight))
            x = outputs[-1].relu()
        return torch.cat(outputs, dim=1)

    def _tangents(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each output and its derivative by each input, ``(n, 1 + n_inputs)``."""
        return np.asarray(in_blocks(self._tangents_of_block, inputs, _TANGENT_BLOCK))

    @torch.inference_mode()
    def _tangents_of_block(self, x: torch.Tensor) -> torch.Tensor:
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


def _encoding(space: SearchSpace, name: Any, resolutions: tuple[int, ...]) -> OneHotEncoding:
    known = (tutorial_encoding(), resnet_encoding())
    found = {encoding.name: encoding for encoding in known}.get(name)
    if found is not None and found.resolutions == resolutions:
        return found
    if name != "ofa_mobilenet":
        raise FormatError(f"`encoding` must be a known one, but is {name!r:.100}.")
    is_mobilenet = space.family.architecture == "MobileNetV3"
    return mobilenet_encoding(resolutions, n_blocks=20 if is_mobilenet else 21)


def _layer(data: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
    weight = torch.from_numpy(decode_array(data, "weight", np.float32, (None, None)))
    if data["bias"] is None:
        return weight, None
    return weight, torch.from_numpy(decode_array(data, "bias", np.float32, (len(weight),)))

"""Operators of LiteRT on feature maps in NHWC, as the converter writes those of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.graphs._tflite_file import ACTIVATION, TFLiteFile
from optuna_ofa.graphs._weights import Weights
from optuna_ofa.space import padding

_SAME, _VALID = 0, 1
_FUSED = {"": 0, "relu": 1, "relu6": 3}  # numbers of activations in the schema
_OF_LOGISTIC = (1 / 256, -128)  # the scale and zero point that the operator prescribes


class Map(NamedTuple):
    """A feature map: the number of its tensor, and its shape."""

    number: int
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        """The last dimension."""
        return self.shape[-1]


class Operators:
    """A writer of operators.

    Args:
        file: The file.
        source: Source of the weights.
    """

    def __init__(self, file: TFLiteFile, source: Weights) -> None:
        self.file, self._source = file, source
        self.prefix = ""
        self._n = 0

    def conv(
        self,
        name: str,
        x: Map,
        n_out: int,
        kernel: int = 1,
        stride: int = 1,
        act: str = "",
        pads: tuple[int, int] | None = None,
        bias: bool = True,
        plus: float = 0.0,
    ) -> Map:
        """Add a convolution.

        Args:
            name: Its name.
            x: Its input.
            n_out: Output channels.
            kernel: Kernel size.
            stride: Stride.
            act: Activation.
            pads: Pixels before and after the map; None is half the kernel.
            bias: Whether the source has a bias.
            plus: Added to the bias.
        """
        weight, offset = self._source.conv((n_out, x.channels, kernel, kernel), bias=bias)
        offset = np.float32(plus) + (np.zeros(n_out, np.float32) if offset is None else offset)
        if x.channels == 1 < n_out:  # the converter prefers the other operator
            return self._convolve(name, x, weight.transpose(1, 2, 3, 0), offset, stride, act, pads)
        return self._convolve(name, x, weight.transpose(0, 2, 3, 1), offset, stride, act, pads)

    def depthwise(
        self, name: str, x: Map, kernel: int, stride: int, act: str, pads: tuple[int, int] | None
    ) -> Map:
        """Add a depthwise convolution, with arguments as in `conv`."""
        weight, offset = self._source.conv((x.channels, 1, kernel, kernel), bias=True)
        assert offset is not None
        return self._convolve(name, x, weight.transpose(1, 2, 3, 0), offset, stride, act, pads)

    def linear(self, name: str, x: Map, n_out: int) -> Map:
        """Add a fully connected layer."""
        full = f"{self.prefix}/{name}"
        numbers = self.file.weights(*self._source.linear(x.channels, n_out), full, axis=0)
        return self.add("FULLY_CONNECTED", name, [x.number, *numbers], (x.shape[0], n_out))

    def pool(
        self, kind: str, name: str, x: Map, kernel: int, stride: int, pads: tuple[int, int]
    ) -> Map:
        """Add ``"MAX_POOL_2D"`` or ``"AVERAGE_POOL_2D"``."""
        x, fields = self._padded("PADV2", name, x, kernel, stride, pads)
        fields |= {"filterWidth": kernel, "filterHeight": kernel}
        size = _out_size(x, kernel, fields)
        return self.add(kind, name, [x.number], (x.shape[0], size, size, x.channels), **fields)

    def add_channels(self, name: str, x: Map, n: int, stride: int) -> Map:
        """Take every ``stride``-th pixel and add ``n`` channels of zeros, half on each side."""
        batch, size, _, channels = x.shape
        if stride > 1:
            rows = ((0, 0, 0, 0), x.shape, (1, stride, stride, 1))
            limits = [self._numbers(np.array(row)) for row in rows]
            shape = (batch, -(-size // stride), -(-size // stride), channels)
            x = self.add("STRIDED_SLICE", f"{name}_slice", [x.number, *limits], shape)
        if n == 0:
            return x
        pads = self._numbers(np.array([(0, 0), (0, 0), (0, 0), (n // 2, n - n // 2)]))
        return self.add("PAD", f"{name}_pad", [x.number, pads], (*x.shape[:3], channels + n))

    def mean(self, name: str, x: Map, *, keep: bool) -> Map:
        """Add a mean over pixels; ``keep`` keeps their dimensions."""
        axes = self._numbers(np.array([1, 2]))
        shape = (x.shape[0], 1, 1, x.channels) if keep else (x.shape[0], x.channels)
        return self.add("MEAN", name, [x.number, axes], shape, keepDims=keep)

    def sum(self, x: Map, y: Map, act: str = "") -> Map:
        """Add a sum of two maps."""
        return self._act("ADD", "add", [x.number, y.number], x.shape, act)

    def product(self, name: str, x: Map, y: Map | float) -> Map:
        """Add a product with a map of one pixel or of the same size, or with a number."""
        if isinstance(y, Map):
            return self.add("MUL", name, [x.number, y.number], x.shape)
        factor = self._numbers(np.array(y, np.float32))
        return self.add("MUL", name, [x.number, factor], x.shape)

    def sigmoid(self, name: str, x: Map) -> Map:
        """Add the logistic function."""
        return self.add("LOGISTIC", name, [x.number], x.shape, scale=_OF_LOGISTIC)

    def add(
        self,
        kind: str,
        name: str,
        inputs: list[int],
        shape: Sequence[int],
        *,
        scale: tuple[float, int] = ACTIVATION,
        **options: Any,
    ) -> Map:
        """Add an operator and return its output, whose name begins with the prefix."""
        self._n += 1
        output = self.file.activation(shape, f"{self.prefix}/{name}.{self._n}", scale)
        self.file.operator(kind, inputs, [output], **options)
        return Map(output, tuple(shape))

    def _convolve(
        self,
        name: str,
        x: Map,
        weight: NDArray[np.float32],
        bias: NDArray[np.float32],
        stride: int,
        act: str,
        pads: tuple[int, int] | None,
    ) -> Map:
        kernel, n_out = weight.shape[1], len(bias)
        axis = 3 if weight.shape[0] == 1 < n_out else 0  # depthwise weights have one row
        x, fields = self._padded("PAD", name, x, kernel, stride, pads or (kernel // 2,) * 2)
        if axis == 3:
            fields["depthMultiplier"] = n_out // x.channels
        kind = "CONV_2D" if axis == 0 else "DEPTHWISE_CONV_2D"
        numbers = self.file.weights(weight, bias, f"{self.prefix}/{name}", axis=axis)
        size = _out_size(x, kernel, fields)
        shape = (x.shape[0], size, size, n_out)
        return self._act(kind, name, [x.number, *numbers], shape, act, **fields)

    def _act(
        self, kind: str, name: str, inputs: list[int], shape: Sequence[int], act: str, **fields: Any
    ) -> Map:
        """Add an operator with an activation, inside it where there is such a field."""
        fused = _FUSED.get(act, 0)
        y = self.add(kind, name, inputs, shape, fusedActivationFunction=fused, **fields)
        if act == "h_swish":
            return self.add("HARD_SWISH", f"{name}_act", [y.number], shape)
        if act == "silu":
            return self.product(f"{name}_act", y, self.sigmoid(f"{name}_gate", y))
        return y

    def _numbers(self, values: NDArray[Any]) -> int:
        return self.file.constant(values, f"{self.prefix}/constant")

    def _padded(
        self, kind: str, name: str, x: Map, kernel: int, stride: int, pads: tuple[int, int]
    ) -> tuple[Map, dict[str, Any]]:
        """Return the map that is convolved or pooled, and the fields of the operator.

        Padding that is neither none nor what the option ``SAME`` means is an operator of its own.
        """
        fields = {"padding": _VALID, "strideW": stride, "strideH": stride}
        batch, size, _, channels = x.shape
        if pads == (0, 0):
            return x, fields
        if pads == padding(size, kernel, stride, "same"):
            return x, {**fields, "padding": _SAME}
        inputs = [x.number, self._numbers(np.array([(0, 0), pads, pads, (0, 0)]))]
        if kind == "PADV2":
            inputs.append(self._numbers(np.array(np.finfo(np.float32).min, np.float32)))
        padded = size + sum(pads)
        shape = (batch, padded, padded, channels)
        return self.add(kind, f"{name}_pad", inputs, shape), fields


def _out_size(x: Map, kernel: int, fields: dict[str, Any]) -> int:
    size, stride = x.shape[1], int(fields["strideW"])
    return -(-size // stride) if fields["padding"] == _SAME else (size - kernel) // stride + 1

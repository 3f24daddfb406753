"""The file format of LiteRT (``.tflite``): tensors, constants and operators of one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._imports import try_import
from optuna_ofa.graphs._litert_file import packed

# it comes with the runtime, which is small, and needs none of the packages that convert networks
_schema = try_import("ai_edge_litert.schema_py_generated", extra="litert")

_VERSION = 3  # of the format
# the versions of operators that the converter writes; XNNPACK takes others as well
_VERSIONS = {"FULLY_CONNECTED": 5}
_OPTIONS = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "Pool2D",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "FULLY_CONNECTED": "FullyConnected",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "MUL": "Mul",
    "PAD": "Pad",
    "PADV2": "PadV2",
    "STRIDED_SLICE": "StridedSlice",
}
# scale and zero point of every activation of a graph with random weights
ACTIVATION = (0.05, 0)


class TFLiteFile:
    """A writer of a graph, whose operators run in the order in which they are added.

    Args:
        quantized: Whether activations are 8-bit integers; all have the same scale, except where
            an operator prescribes another.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """

    def __init__(self, *, quantized: bool) -> None:
        self._schema = _schema.check()
        self._quantized = quantized
        self._model = self._schema.ModelT()
        self._graph = self._schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._model.operatorCodes, self._model.buffers = [], [self._schema.BufferT()]
        self._codes: dict[str, int] = {}
        self._constants: dict[tuple[Any, ...], int] = {}

    def activation(
        self, shape: Sequence[int], name: str, scale: tuple[float, int] = ACTIVATION
    ) -> int:
        """Add a tensor that an operator writes, or the input, and return its number."""
        kind = "INT8" if self._quantized else "FLOAT32"
        return self._tensor(shape, kind, name, [scale] if self._quantized else None)

    def constant(self, values: NDArray[Any], name: str) -> int:
        """Return the number of a constant of whole numbers, such as paddings, or of a float.

        Operators share equal constants, as in files of the converter. In a graph of 8-bit integers
        a float is quantised like an activation.
        """
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._constants:
            number = len(self._constants)  # the quantiser needs names that differ
            self._constants[key] = self._constant(values, f"{name}.{number}")
        return self._constants[key]

    def _constant(self, values: NDArray[Any], name: str) -> int:
        if values.dtype != np.float32:
            return self._tensor(values.shape, "INT32", name, data=values.astype(np.int32))
        if not self._quantized:
            return self._tensor(values.shape, "FLOAT32", name, data=values)
        scale, zero = ACTIVATION
        whole = (values.clip(-1e6, 1e6) / scale + zero).round().clip(-128, 127).astype(np.int8)
        return self._tensor(values.shape, "INT8", name, [ACTIVATION], data=whole)

    def weights(
        self, values: NDArray[np.float32], bias: NDArray[np.float32], name: str, *, axis: int
    ) -> list[int]:
        """Add weights, with a scale a channel, and their bias; return both numbers.

        Args:
            values: Weights in the order of the operator.
            bias: ``(n,)``.
            name: Name of the operator.
            axis: The axis of the ``n`` channels.
        """
        names = f"{name}.weight", f"{name}.bias"
        if not self._quantized:
            return [
                self._tensor(v.shape, "FLOAT32", n, data=v)
                for v, n in zip((values, bias), names, strict=True)
            ]
        scale = max(float(np.abs(values).max()), 1e-6) / 127
        whole = (values / scale).round().astype(np.int8)
        scales = [(scale, 0)] * len(bias)
        sums = [(scale * ACTIVATION[0], 0)] * len(bias)
        offset = (bias / sums[0][0]).round().astype(np.int32)
        return [
            self._tensor(values.shape, "INT8", names[0], scales, axis, data=whole),
            self._tensor(bias.shape, "INT32", names[1], sums, data=offset),
        ]

    def operator(self, kind: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        """Add an operator.

        Args:
            kind: Its name in the schema, such as ``"CONV_2D"``.
            inputs: Numbers of tensors.
            outputs: Numbers of tensors.
            **options: Fields of its options.
        """
        operator = self._schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = inputs, outputs
        if kind in _OPTIONS:
            name = f"{_OPTIONS[kind]}Options"
            operator.builtinOptionsType = getattr(self._schema.BuiltinOptions, name)
            operator.builtinOptions = getattr(self._schema, f"{name}T")()
            for field, value in options.items():
                setattr(operator.builtinOptions, field, value)
        self._graph.operators.append(operator)

    def content(self, given: int, returned: int) -> bytes:
        """Return the file, with the input ``args_0`` and the output ``output_0``.

        Args:
            given: Number of the tensor that is the graph's input.
            returned: Number of the tensor that is its output.
        """
        self._graph.inputs, self._graph.outputs = [given], [returned]
        self._model.version, self._model.subgraphs = _VERSION, [self._graph]
        signature = self._schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.inputs = [self._named("args_0", given)]
        signature.outputs = [self._named("output_0", returned)]
        self._model.signatureDefs = [signature]
        return packed(self._model)

    def _named(self, name: str, number: int) -> Any:
        tensor = self._schema.TensorMapT()
        tensor.name, tensor.tensorIndex = name, number
        return tensor

    def _code(self, kind: str) -> int:
        if kind not in self._codes:
            code = self._schema.OperatorCodeT()
            code.builtinCode = getattr(self._schema.BuiltinOperator, kind)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = _VERSIONS.get(kind, 1)
            self._codes[kind] = len(self._codes)
            self._model.operatorCodes.append(code)
        return self._codes[kind]

    def _tensor(
        self,
        shape: Sequence[int],
        kind: str,
        name: str,
        scales: Sequence[tuple[float, int]] | None = None,
        axis: int = 0,
        data: NDArray[Any] | None = None,
    ) -> int:
        tensor = self._schema.TensorT()
        tensor.shape, tensor.name = [int(n) for n in shape], name
        tensor.type = getattr(self._schema.TensorType, kind)
        tensor.buffer = 0  # that of all tensors without data
        if data is not None:
            tensor.buffer = len(self._model.buffers)
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self._model.buffers.append(buffer)
        if scales is not None:
            tensor.quantization = self._schema.QuantizationParametersT()
            tensor.quantization.scale = np.array([s for s, _ in scales], np.float32)
            tensor.quantization.zeroPoint = np.array([z for _, z in scales], np.int64)
            tensor.quantization.quantizedDimension = axis
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

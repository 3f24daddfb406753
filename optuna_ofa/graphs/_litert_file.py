"""The content of LiteRT's files, which are FlatBuffers of a published schema."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from optuna_ofa._imports import try_import
from optuna_ofa._parsing import in_a_line
from optuna_ofa.exceptions import FormatError

_schema = try_import("ai_edge_litert.schema_py_generated", extra="litert")
_flatbuffers = try_import("flatbuffers", extra="litert")
_IDENTIFIER = b"TFL3"


class LiteRTTensor(NamedTuple):
    """An input or output of a file; real values are ``scale * (stored - zero_point)``.

    Args:
        shape: Its shape; images are in NHWC.
        dtype: ``"float32"``, ``"int8"`` and so on.
        scale: Its scale; None if it is not quantised.
        zero_point: Its zero point; None if it is not quantised.
    """

    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


class LiteRTFile(NamedTuple):
    """What a file says of itself.

    Args:
        inputs: Its inputs.
        outputs: Its outputs.
        operators: Names of its operators in the schema, such as ``"CONV_2D"``, each once, sorted.
    """

    inputs: tuple[LiteRTTensor, ...]
    outputs: tuple[LiteRTTensor, ...]
    operators: tuple[str, ...]


def read_litert(content: bytes) -> LiteRTFile:
    """Read the inputs, outputs and operators of a file.

    Raises:
        FormatError: If it is not such a file, or is damaged.
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    schema = _schema.check()
    if content[4:8] != _IDENTIFIER:
        raise FormatError("The content must be a .tflite file, but has another identifier.")
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        graph = model.subgraphs[0]
        names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
        used = {op.opcodeIndex for part in model.subgraphs for op in part.operators}
        return LiteRTFile(
            tuple(_tensor(schema, graph.tensors[i]) for i in graph.inputs),
            tuple(_tensor(schema, graph.tensors[i]) for i in graph.outputs),
            tuple(sorted({_operator(names, model.operatorCodes[i]) for i in used})),
        )
    except Exception as error:  # the reader of damaged files raises many kinds of errors
        raise FormatError(
            f"The content must be a .tflite file, but is damaged: {in_a_line(error)[:100]}"
        ) from error


def _operator(names: dict[int, str], code: Any) -> str:
    name = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return code.customCode.decode() if name == "CUSTOM" else name


def _tensor(schema: Any, tensor: Any) -> LiteRTTensor:
    types = {value: name.lower() for name, value in vars(schema.TensorType).items()}
    known = tensor.quantization
    is_quantized = known is not None and known.scale is not None and len(known.scale) == 1
    return LiteRTTensor(
        tuple(map(int, tensor.shape)),
        types[tensor.type],
        float(known.scale[0]) if is_quantized else None,
        int(known.zeroPoint[0]) if is_quantized else None,
    )


def compacted(content: bytes) -> bytes:
    """Return a file with its weights in the FlatBuffer, and without names of inner tensors.

    The quantiser stores large weights after the FlatBuffer, where TensorFlow Lite Micro does not
    find them: it takes such tensors for activations. Names are a quarter of a small file.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    model = _schema.check().ModelT.InitFromPackedBuf(content, 0)
    for buffer in model.buffers:
        if buffer.offset > 1:  # 0 and 1 mean no such data
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    for graph in model.subgraphs:
        named = {*graph.inputs, *graph.outputs}
        for i, tensor in enumerate(graph.tensors):
            if i not in named:
                tensor.name = None
    return packed(model)


def packed(model: Any) -> bytes:
    """Return the file of a model, a ``ModelT`` of the schema.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    builder = _flatbuffers.check().Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())

"""The content of LiteRT's files, which are FlatBuffers of a published schema."""

from __future__ import annotations

from typing import Any

import numpy as np

from optuna_ofa._imports import try_import

_schema = try_import("ai_edge_litert.schema_py_generated", extra="litert")
_flatbuffers = try_import("flatbuffers", extra="litert")
_IDENTIFIER = b"TFL3"


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
    return _packed(model)


def _packed(model: Any) -> bytes:
    builder = _flatbuffers.check().Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())

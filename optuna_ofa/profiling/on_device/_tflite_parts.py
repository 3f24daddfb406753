"""A file of LiteRT cut into its layers, because the runtime's package has no profiler."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

_IDENTIFIER = b"TFL3"


def cut_into_layers(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield a file for each layer of a network, with the name of its first operator.

    Operators of a layer follow each other, and the names of their outputs begin with its index,
    ``"07/depth"``. A layer reads what the one before it returns.

    Args:
        path: A file that was written for a latency table.

    Raises:
        ValueError: If the names are others.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]

    def name(operator: Any) -> str:
        return bytes(graph.tensors[operator.outputs[0]].name or b"").decode()

    if not all("/" in name(operator) for operator in graph.operators):
        raise ValueError(
            f"{path.name} has operators whose names do not say the layer; measure the layers alone "
            f"(method 'layers')"
        )
    given = graph.inputs[0]
    for _, group in groupby(graph.operators, key=lambda operator: name(operator).split("/", 1)[0]):
        operators = list(group)
        returned = operators[-1].outputs[0]
        yield name(operators[0]), _part(schema, model, operators, given, returned)
        given = returned


def empty_graph(path: Path) -> bytes:
    """Return a file whose only tensor is both the input and the output."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    given = model.subgraphs[0].inputs[0]
    return _part(schema, model, [], given, given)


def _part(schema: Any, model: Any, operators: list[Any], given: int, returned: int) -> bytes:
    """Return a file of some operators with the tensors and constants that they use."""
    import flatbuffers

    graph = model.subgraphs[0]
    used = {given, returned, *(t for o in operators for t in (*o.inputs, *o.outputs))}
    numbers = {old: new for new, old in enumerate(sorted(used))}
    part, own = schema.ModelT(), schema.SubGraphT()
    part.version, part.operatorCodes, part.subgraphs = model.version, model.operatorCodes, [own]
    part.buffers, own.tensors, own.operators = [schema.BufferT()], [], []
    for old in numbers:
        tensor = copy.copy(graph.tensors[old])
        buffer = model.buffers[tensor.buffer]
        tensor.buffer = 0
        if buffer.data is not None:
            tensor.buffer = len(part.buffers)
            part.buffers.append(buffer)
        own.tensors.append(tensor)
    for operator in operators:
        moved = copy.copy(operator)
        moved.inputs = [numbers[t] for t in operator.inputs]
        moved.outputs = [numbers[t] for t in operator.outputs]
        own.operators.append(moved)
    own.inputs, own.outputs = [numbers[given]], [numbers[returned]]
    builder = flatbuffers.Builder(1024)
    builder.Finish(part.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())

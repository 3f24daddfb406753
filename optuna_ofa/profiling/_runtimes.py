"""The runtimes by name, and the functions that write their graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import (
    SUFFIX,
    write_executorch,
    write_layers,
    write_litert,
    write_onnx,
    write_quantized_litert,
    write_quantized_onnx,
)
from optuna_ofa.profiling._litert_runtime import QuietLiteRT
from optuna_ofa.profiling._torch_runtime import TorchEager
from optuna_ofa.profiling.on_device import DEVICE_RUNTIMES, INT8, Runtime, RuntimeSettings
from optuna_ofa.space import Layer

# the module of each runtime that has another name
MODULES: Mapping[str, str] = {"litert": "ai_edge_litert"}
# writes the layers of one graph to a path, for a batch size
Write = Callable[[Sequence[Layer], Path, int], None]
RUNTIMES: Mapping[str, Callable[[RuntimeSettings], Runtime]] = {
    **DEVICE_RUNTIMES,
    "litert": QuietLiteRT,
    "torch": TorchEager,
}
WRITERS: Mapping[str, Write] = {
    ".onnx": lambda layers, path, batch: write_onnx(layers, path, batch=batch),
    ".pte": write_executorch,
    SUFFIX: write_layers,
    ".tflite": write_litert,
}
# Other precisions need no separate graphs: the runtime computes these graphs in them.
INT8_WRITERS: Mapping[str, Write] = {
    ".onnx": lambda layers, path, batch: write_quantized_onnx(layers, path, batch=batch),
    ".tflite": write_quantized_litert,
}


def find_writer(suffix: str, precision: str) -> Write:
    """Return the function that writes graphs with an ending, for a runtime at a precision.

    Raises:
        InvalidArgumentError: If there is none.
    """
    writers = INT8_WRITERS if precision == INT8 else WRITERS
    if suffix not in writers:
        raise InvalidArgumentError(
            f"`runtime.suffix` must be one of {', '.join(writers)} for {precision}, but got "
            f"{suffix!r}."
        )
    return writers[suffix]

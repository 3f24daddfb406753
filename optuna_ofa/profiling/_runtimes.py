"""Runtimes by name, and what writes the graphs that they load."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optuna_ofa._imports import try_import
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import (
    SUFFIX,
    write_executorch,
    write_layers,
    write_onnx,
    write_quantized_onnx,
)
from optuna_ofa.profiling._graph_folder import Write
from optuna_ofa.profiling._torch_runtime import TorchEager
from optuna_ofa.profiling.on_device._registry import RUNTIMES as ON_DEVICE
from optuna_ofa.profiling.on_device._runtime import INT8, Runtime, Settings

RUNTIMES: Mapping[str, Callable[[Settings], Runtime]] = {**ON_DEVICE, "torch": TorchEager}
WRITERS: Mapping[str, Write] = {
    ".onnx": lambda layers, path, batch: write_onnx(layers, path, batch=batch),
    ".pte": write_executorch,
    SUFFIX: write_layers,
}
# Other precisions are the runtime's own business: it computes in them what these graphs say.
INT8_WRITERS: Mapping[str, Write] = {
    ".onnx": lambda layers, path, batch: write_quantized_onnx(layers, path, batch=batch)
}


def find_runtime(runtime: str | Runtime, settings: Settings) -> Runtime:
    """A runtime by its name, or as it is.

    Raises:
        InvalidArgumentError: If there is none of that name, or it does not offer the settings.
        MissingDependencyError: If it is not installed; names the extra.
    """
    if not isinstance(runtime, str):
        return runtime
    if runtime not in RUNTIMES:
        raise InvalidArgumentError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}, or an object that loads and runs "
            f"graphs, but got {runtime!r}."
        )
    if settings.threads < 1 or settings.batch < 1:
        raise InvalidArgumentError(
            f"`threads` and `batch` must be 1 or more, but got {settings.threads} and "
            f"{settings.batch}."
        )
    try_import(runtime, extra=runtime).check()
    try:
        return RUNTIMES[runtime](settings)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error


def find_writer(suffix: str, precision: str) -> Write:
    """What writes graphs with that ending, for a runtime of that precision.

    Raises:
        InvalidArgumentError: If nothing does.
    """
    writers = INT8_WRITERS if precision == INT8 else WRITERS
    if suffix not in writers:
        raise InvalidArgumentError(
            f"`runtime.suffix` must be one of {', '.join(writers)} for {precision}, but got "
            f"{suffix!r}."
        )
    return writers[suffix]

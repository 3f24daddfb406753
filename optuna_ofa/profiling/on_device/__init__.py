"""The script that measures graphs on a device: a runtime, numpy, and nothing else.

This folder is copied beside the graphs that `optuna_ofa.export_profile` writes, so it imports
nothing of `optuna_ofa`, and its modules import each other by relative names only.
"""

from __future__ import annotations

from collections.abc import Callable

from ._executorch import ExecuTorch as ExecuTorch
from ._failures import DeviceError as DeviceError, is_device_error as is_device_error
from ._folder import (
    GRAPHS_AT_ONCE as GRAPHS_AT_ONCE,
    MANIFEST as MANIFEST,
    RESULTS as RESULTS,
    describe_setup as describe_setup,
    measure_folder as measure_folder,
)
from ._litert import LiteRT as LiteRT
from ._onnxruntime import OnnxRuntime as OnnxRuntime
from ._openvino import OpenVINO as OpenVINO
from ._rounds import Progress as Progress, by_layer as by_layer
from ._runtime import (
    INT8 as INT8,
    LoadedGraph as LoadedGraph,
    NodeTime as NodeTime,
    Runtime as Runtime,
    RuntimeSettings as RuntimeSettings,
    require_float32 as require_float32,
)

DEVICE_RUNTIMES: dict[str, Callable[[RuntimeSettings], Runtime]] = {
    runtime.name: runtime for runtime in (OnnxRuntime, OpenVINO, ExecuTorch, LiteRT)
}

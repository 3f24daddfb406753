"""The runtimes that are there by name."""

from __future__ import annotations

from collections.abc import Callable

from ._executorch import ExecuTorch
from ._onnxruntime import OnnxRuntime
from ._openvino import OpenVINO
from ._runtime import Runtime, Settings

RUNTIMES: dict[str, Callable[[Settings], Runtime]] = {
    runtime.name: runtime for runtime in (OnnxRuntime, OpenVINO, ExecuTorch)
}

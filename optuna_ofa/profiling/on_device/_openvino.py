"""OpenVINO on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ._runtime import Network, NodeTime, Settings, require_cpu, require_float32

# The profile is cut to microseconds, so the difference of single runs would be rough.
_BLOCK = 4
_HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}


class OpenVINO:
    """Runs ONNX graphs, compiled by OpenVINO.

    Args:
        settings: ``precision`` is a hint: a processor without instructions for float16 or
            bfloat16 computes in float32.

    Raises:
        ValueError: If a setting is not offered.
    """

    name = "openvino"
    suffix = ".onnx"
    profiles = True

    def __init__(self, settings: Settings) -> None:
        require_cpu(self.name, settings)
        require_float32(self.name, settings, "float16", "bfloat16")
        self._options = {
            "INFERENCE_NUM_THREADS": settings.threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[settings.precision],
        }

    def versions(self) -> dict[str, str]:
        """The version of OpenVINO."""
        import openvino

        return {"openvino": openvino.__version__.split("-")[0]}

    def load(self, path: Path, *, profile: bool = False) -> Network:
        """Read and compile a graph."""
        import openvino

        core = openvino.Core()
        options = {**self._options, "PERF_COUNT": profile}
        compiled = core.compile_model(core.read_model(str(path)), "CPU", options)
        return _Request(compiled, profile)


class _Request:
    def __init__(self, compiled: Any, profile: bool) -> None:
        self._request = compiled.create_infer_request()
        shape = tuple(compiled.input(0).shape)
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        self._request.set_input_tensor(_tensor(x))
        self._profile = profile
        self._n_runs = 0
        self._totals: dict[str, float] = {}
        self._blocks: list[list[NodeTime]] = []

    def run(self) -> None:
        self._request.infer()
        if self._profile:
            self._n_runs += 1
            if self._n_runs % _BLOCK == 0:
                self._blocks.append(self._last_block())

    def _last_block(self) -> list[NodeTime]:
        """The profile is a mean over all runs so far, so that of a few runs is a difference."""
        times = []
        for info in self._request.profiling_info:
            total = self._n_runs * info.real_time.total_seconds() * 1000
            passed = total - self._totals.get(info.node_name, 0.0)
            times.append(NodeTime(info.node_name, max(passed, 0.0) / _BLOCK))
            self._totals[info.node_name] = total
        return times

    def layer_times(self) -> list[list[NodeTime]]:
        """The mean of every few runs."""
        return self._blocks


def _tensor(x: np.ndarray[Any, np.dtype[np.float32]]) -> Any:
    import openvino

    return openvino.Tensor(x)

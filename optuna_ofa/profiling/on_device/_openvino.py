"""OpenVINO on the processor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ._runtime import INT8, LoadedGraph, NodeTime, RuntimeSettings, require_cpu, require_float32

# Runs of one compiled model while profiling.
_MOST_RUNS = 6
_HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16", INT8: "f32"}


class OpenVINO:
    """OpenVINO, which compiles ONNX graphs.

    Args:
        settings: ``precision`` is a hint: a processor without instructions for float16 or
            bfloat16 computes in float32. With ``"int8"`` the graph says what is quantised.

    Raises:
        ValueError: If a setting is not offered.
    """

    name = "openvino"
    suffix = ".onnx"
    profiles = True

    def __init__(self, settings: RuntimeSettings) -> None:
        require_cpu(self.name, settings)
        require_float32(self.name, settings, "float16", "bfloat16", INT8)
        self._options = {
            "INFERENCE_NUM_THREADS": settings.threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": _HINTS[settings.precision],
        }

    def versions(self) -> dict[str, str]:
        """Return the version of OpenVINO."""
        import openvino

        return {"openvino": openvino.__version__.split("-")[0]}

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Read and compile a graph."""
        options = {**self._options, "PERF_COUNT": profile}

        def compiled() -> Any:
            import openvino

            core = openvino.Core()
            return core.compile_model(core.read_model(str(path)), "CPU", options)

        return _ProfiledRequest(compiled) if profile else _Request(compiled())


class _Request:
    def __init__(self, compiled: Any) -> None:
        import openvino

        self._request = compiled.create_infer_request()
        shape = tuple(compiled.input(0).shape)
        x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        self._request.set_input_tensor(openvino.Tensor(x))

    def run(self) -> None:
        self._request.infer()

    def profiling_info(self) -> Any:
        """Return the mean time of each operator over all runs."""
        return self._request.profiling_info

    def layer_times(self) -> list[list[NodeTime]]:
        raise NotImplementedError("loaded without a profile")


class _ProfiledRequest:
    """A request with the times of single runs, although OpenVINO reports means over all runs.

    The time of one run is a difference of ``n`` times the mean. The mean is cut to microseconds,
    so the difference is rough where ``n`` is large: the model is compiled anew after a few runs.
    """

    def __init__(self, compile_model: Callable[[], Any]) -> None:
        self._compile = compile_model
        self._n_runs = _MOST_RUNS
        self._totals: dict[str, float] = {}
        self._runs: list[list[NodeTime]] = []

    def run(self) -> None:
        if self._n_runs == _MOST_RUNS:
            self._inner = _Request(self._compile())
            self._n_runs, self._totals = 0, {}
        self._inner.run()
        self._n_runs += 1
        times = self._last_run()
        if self._n_runs > 1:  # the first one fills the caches
            self._runs.append(times)

    def _last_run(self) -> list[NodeTime]:
        times = []
        for info in self._inner.profiling_info():
            total = self._n_runs * info.real_time.total_seconds() * 1000
            times.append(NodeTime(info.node_name, total - self._totals.get(info.node_name, 0.0)))
            self._totals[info.node_name] = total
        return times

    def layer_times(self) -> list[list[NodeTime]]:
        """Return the operators of each run but the first ones."""
        return self._runs

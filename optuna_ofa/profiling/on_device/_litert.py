"""LiteRT (TensorFlow Lite) on the processor, through XNNPACK."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ._runtime import INT8, LoadedGraph, NodeTime, RuntimeSettings, require_cpu, require_float32
from ._tflite_parts import cut_into_layers, empty_graph

_PACKAGE = "ai-edge-litert"
_INT8_STD = 32  # of random whole numbers


class LiteRT:
    """The interpreter of ``.tflite`` files with its default delegate, XNNPACK.

    Its Python package has no profiler. Layers are therefore timed one after the other, each in an
    interpreter of its own that is given what the layer before returned.

    Args:
        settings: Threads of XNNPACK. With ``"int8"`` the graph says what is quantised.

    Raises:
        ValueError: If a setting is not offered.
    """

    name = "litert"
    suffix = ".tflite"
    profiles = True

    def __init__(self, settings: RuntimeSettings) -> None:
        require_cpu(self.name, settings)
        require_float32(self.name, settings, INT8)
        self._threads = settings.threads

    def versions(self) -> dict[str, str]:
        """Return the version of LiteRT."""
        return {"litert": metadata.version(_PACKAGE)}

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Load a graph and allocate its tensors."""
        if not profile:
            return _Whole(_Interpreter(self._threads, model_path=str(path)))
        parts = [
            (name, _Interpreter(self._threads, model_content=content))
            for name, content in cut_into_layers(path)
        ]
        empty = _Interpreter(self._threads, model_content=empty_graph(path))
        return _Layers(parts, empty)


class _Interpreter:
    """A graph with one input, which holds random values, and one output."""

    def __init__(self, threads: int, **file: Any) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._inner = Interpreter(num_threads=threads, **file)
        self._inner.allocate_tensors()
        (given,) = self._inner.get_input_details()
        (returned,) = self._inner.get_output_details()
        self._given, self._returned = given["index"], returned["index"]
        self.invoke = self._inner.invoke
        x = np.random.default_rng(0).standard_normal(given["shape"], dtype=np.float32)
        if given["dtype"] is not np.float32:
            x = (x * _INT8_STD).round().clip(-128, 127)
        self.give(x.astype(given["dtype"]))

    def give(self, x: Any) -> None:
        """Copy values into the input."""
        self._inner.set_tensor(self._given, x)

    def returned(self) -> Any:
        """Return a copy of the output."""
        return self._inner.get_tensor(self._returned)


class _Whole:
    def __init__(self, graph: _Interpreter) -> None:
        self._graph = graph

    def run(self) -> None:
        self._graph.invoke()

    def layer_times(self) -> list[list[NodeTime]]:
        raise NotImplementedError("loaded without a profile")


class _Layers:
    """The layers of a network, with the times of single runs less those of an empty graph."""

    def __init__(self, parts: list[tuple[str, _Interpreter]], empty: _Interpreter) -> None:
        self._parts, self._empty = parts, empty
        self._runs: list[list[NodeTime]] = []
        self._calls: list[float] = []

    def run(self) -> None:
        self._times()  # fills the caches, as before a timed run of the whole
        times, calls = self._times()
        self._runs.append(times)
        self._calls += calls

    def _times(self) -> tuple[list[NodeTime], list[float]]:
        """Return the times of the layers, and of calls of the empty graph before each."""
        times, calls, x = [], [], None
        for name, graph in self._parts:
            if x is not None:
                graph.give(x)
            self._empty.invoke()  # so that no timed call is the first after other work
            start = time.perf_counter_ns()
            self._empty.invoke()
            middle = time.perf_counter_ns()
            graph.invoke()
            end = time.perf_counter_ns()
            calls.append((middle - start) / 1e6)
            times.append(NodeTime(name, (end - middle) / 1e6))
            x = graph.returned()
        return times, calls

    def layer_times(self) -> list[list[NodeTime]]:
        call = float(np.median(self._calls))
        return [[NodeTime(name, ms - call) for name, ms in run] for run in self._runs]

"""ONNX Runtime on the processor."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ._runtime import INT8, LoadedGraph, NodeTime, RuntimeSettings, require_cpu, require_float32

_NODE = "_kernel_time"  # suffix of the names of nodes in a profile


class OnnxRuntime:
    """ONNX Runtime with all of its optimisations.

    Args:
        settings: Threads are those inside an operator; operators run one after the other.

    Raises:
        ValueError: If a setting is not offered.
    """

    name = "onnxruntime"
    suffix = ".onnx"
    profiles = True

    def __init__(self, settings: RuntimeSettings) -> None:
        require_cpu(self.name, settings)
        require_float32(self.name, settings, INT8)
        self._threads = settings.threads

    def versions(self) -> dict[str, str]:
        """Return the version of ONNX Runtime."""
        import onnxruntime

        return {"onnxruntime": onnxruntime.__version__}

    def load(self, path: Path, *, profile: bool = False) -> LoadedGraph:
        """Load and optimise a graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile:
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(tempfile.mkdtemp()) / "profile")
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        return _Session(session)


class _Session:
    def __init__(self, session: Any) -> None:
        self._session = session
        self._feeds = {
            value.name: np.random.default_rng(0).standard_normal(value.shape, dtype=np.float32)
            for value in session.get_inputs()
        }

    def run(self) -> None:
        self._session.run(None, self._feeds)

    def layer_times(self) -> list[list[NodeTime]]:
        path = Path(self._session.end_profiling())
        events = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        path.parent.rmdir()
        return _runs(events)


def _runs(events: list[dict[str, Any]]) -> list[list[NodeTime]]:
    """Return the operators of each run, in the order of their start."""
    runs = [e for e in events if e["name"] == "model_run"]
    nodes = sorted(
        (e for e in events if e["cat"] == "Node" and e["name"].endswith(_NODE)),
        key=lambda e: e["ts"],
    )
    ends = sorted(e["ts"] + e["dur"] for e in runs)
    which = np.searchsorted(ends, [e["ts"] for e in nodes])
    times: list[list[NodeTime]] = [[] for _ in runs]
    for run, event in zip(which, nodes, strict=True):
        name = event["name"].removesuffix(_NODE)
        times[run].append(NodeTime(name, event["dur"] / 1000))  # microseconds
    return times

"""Profiles of ONNX Runtime (``SessionOptions.enable_profiling``)."""

from __future__ import annotations

from pathlib import Path

from optuna_ofa._files import read_json
from optuna_ofa.profiling.farms._report import FarmReport, node_ms, of_runs, positive_ms
from optuna_ofa.profiling.on_device import NodeTime

_RUN = "model_run"
_NODE = "_kernel_time"


def read_onnxruntime(path: Path, max_mb: float) -> FarmReport:
    """Read the JSON file that ``end_profiling`` returns; durations are in microseconds.

    Raises:
        TypeError: If it is not a list of events.
        ValueError: If it has no run, or a time is not plausible.
    """
    events = read_json(path, "folder", max_mb=max_mb)
    if not isinstance(events, list):
        raise TypeError("it is not a list of events, as `enable_profiling` writes")
    runs = [e for e in events if e.get("name") == _RUN]
    nodes = [e for e in events if e.get("cat") == "Node" and str(e.get("name", "")).endswith(_NODE)]
    by_run: list[list[NodeTime]] = [[] for _ in runs]
    order = sorted(range(len(runs)), key=lambda i: runs[i]["ts"])
    for event in sorted(nodes, key=lambda e: e["ts"]):
        within = [i for i in order if event["ts"] <= runs[i]["ts"] + runs[i]["dur"]]
        if within:
            name = event["name"].removesuffix(_NODE)
            by_run[within[0]].append(NodeTime(name, node_ms(event["dur"], name, "us")))
    profiled = [by_run[i] for i in order] if any(by_run) else []
    return of_runs((positive_ms(runs[i]["dur"], _RUN, "us") for i in order), profiled)

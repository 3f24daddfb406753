"""Profiles of Qualcomm AI Hub (``ProfileJob.download_profile``)."""

from __future__ import annotations

from pathlib import Path

from optuna_ofa._files import read_json
from optuna_ofa.profiling.farms._report import FarmReport, node_ms, of_runs, positive_ms
from optuna_ofa.profiling.on_device import NodeTime


def read_aihub(path: Path, max_mb: float) -> FarmReport:
    """Read the JSON of a profile; its times are whole microseconds.

    The latency is the median of ``all_inference_times`` without the first, or
    ``estimated_inference_time`` where single runs are missing.

    Raises:
        ValueError: If it has neither.
    """
    data = read_json(path, "folder", max_mb=max_mb)
    summary = data["execution_summary"]
    nodes = [
        NodeTime(str(d["name"]), node_ms(d["execution_time"], str(d["name"]), "us"))
        for d in data.get("execution_detail", [])
        if d.get("execution_time") is not None
    ]
    runs = [nodes] if nodes else []
    times = summary.get("all_inference_times")
    if times:
        whole = of_runs(positive_ms(us, "all_inference_times", "us") for us in times)
        return whole._replace(runs=runs)
    name = "estimated_inference_time"
    return FarmReport(positive_ms(summary[name], name, "us"), runs=runs)

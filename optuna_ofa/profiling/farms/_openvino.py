"""Reports of OpenVINO's ``benchmark_app`` (``-report_type``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna_ofa._files import read_json, read_text
from optuna_ofa.profiling.farms._report import FarmReport, node_ms, positive_ms
from optuna_ofa.profiling.on_device import NodeTime

_COUNTERS = "layerName"
_MEDIAN, _MEAN = "latency (ms)", "avg latency"


def read_openvino(path: Path, max_mb: float) -> FarmReport:
    """Read ``benchmark_report`` or ``benchmark_average_counters_report``, CSV or JSON.

    Raises:
        ValueError: If it is neither.
    """
    if path.suffix == ".json":
        data = read_json(path, "folder", max_mb=max_mb)
        if "execution_results" in data:
            return _whole(data["execution_results"])
        return _of_nodes(_json_nodes(data))
    rows = [line.split(";") for line in read_text(path, "folder", max_mb=max_mb).split("\n")]
    if rows[0][0] == _COUNTERS:
        return _of_nodes(_csv_nodes(rows))
    results = {row[0]: row[1] for row in rows if len(row) == 2}
    return _whole(results)


def _whole(results: Mapping[str, Any]) -> FarmReport:
    found = next((key for key in (_MEDIAN, _MEAN) if key in results), None)
    if found is None:
        there = [key for key in results if "latency" in key]
        raise ValueError(
            f"it has neither `{_MEDIAN}` nor `{_MEAN}`"
            + (f", only {', '.join(there)}" if there else "")
        )
    least = results.get("min latency")
    return FarmReport(
        positive_ms(results[found], found),
        min_ms=None if least is None else positive_ms(least, "min latency"),
        n_runs=int(results.get("total number of iterations", 1)),
    )


def _of_nodes(nodes: Iterator[NodeTime]) -> FarmReport:
    run = list(nodes)
    if not any(node.ms for node in run):
        raise ValueError(
            "no operator has a time; with -json_stats some releases of benchmark_app write only "
            "the first operator: leave it out, so that it writes CSV"
        )
    return FarmReport(runs=[run])


def _csv_nodes(rows: Sequence[Sequence[str]]) -> Iterator[NodeTime]:
    header, *body = rows
    name, time = header.index(_COUNTERS), header.index("realTime (ms)")
    for row in body:
        if len(row) == len(header) and row[name] != "Total":
            yield NodeTime(row[name], node_ms(row[time], row[name]))


def _json_nodes(data: Mapping[str, Any]) -> Iterator[NodeTime]:
    for node in data["avg_performance"]["nodes"]:
        yield NodeTime(str(node["name"]), node_ms(node["real_time"], node["name"]))

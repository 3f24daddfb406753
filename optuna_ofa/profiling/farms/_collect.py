"""A table or a predictor from the results that a tool wrote for a folder of graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optuna_ofa._arguments import AnyPath, PositiveFloat, Text, checked
from optuna_ofa._files import read_json
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._values import pixels
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    FormatError,
    InvalidArgumentError,
    OptunaOFAError,
)
from optuna_ofa.predictors import LatencyTable, NetworkLatencyPredictor
from optuna_ofa.profiling._export import as_space, table_from_folder
from optuna_ofa.profiling._graph_folder import PLAN, Graph, read_manifest
from optuna_ofa.profiling._noisy import warn_noisy
from optuna_ofa.profiling._results import Results, Timing, read_results
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling._table import build_table, require_quiet
from optuna_ofa.profiling.farms._aihub import read_aihub
from optuna_ofa.profiling.farms._executorch import read_executorch
from optuna_ofa.profiling.farms._files import files_by_graph
from optuna_ofa.profiling.farms._litert import read_litert
from optuna_ofa.profiling.farms._onnxruntime import read_onnxruntime
from optuna_ofa.profiling.farms._openvino import read_openvino
from optuna_ofa.profiling.farms._report import FarmFormat, FarmReport, layers_of
from optuna_ofa.profiling.on_device import MANIFEST
from optuna_ofa.space import Family, SearchSpace, require_family

FormatName = Literal["own", "litert", "executorch", "onnxruntime", "aihub", "openvino"]
FORMATS: Mapping[str, FarmFormat] = {
    "litert": FarmFormat("litert", (".txt", ".log"), read_litert),
    "executorch": FarmFormat("executorch", (".csv", ".tsv", ".etdp", ".etdump"), read_executorch),
    "onnxruntime": FarmFormat("onnxruntime", (".json",), read_onnxruntime),
    "aihub": FarmFormat("aihub", (".json",), read_aihub),
    "openvino": FarmFormat("openvino", (".csv", ".json"), read_openvino),
}
_SHOWN = 3


@checked
def collect_results(
    folder: AnyPath,
    format: FormatName,
    space: AnyPath | Family | SearchSpace | None = None,
    *,
    device: Text | None = None,
    max_spread: PositiveFloat = MeasurementSettings.max_spread,
    max_mb: PositiveFloat = MAX_MB,
) -> LatencyTable | NetworkLatencyPredictor:
    """Return what the files of a tool say about the graphs of a folder.

    Times of operators, or of graphs of one layer, become a table, as in `table_from_folder`; times
    of whole networks alone become a predictor. A graph without a result is left out with a warning.
    Several files of a graph are several runs.

    Args:
        folder: A folder of `export_profile`. Each result file is named after its graph, or is in a
            folder of that name.
        format: The tool: ``"own"`` (``results.json`` of the script in the folder), ``"litert"``
            (what ``benchmark_model`` prints), ``"executorch"`` (the table of an ETDump),
            ``"onnxruntime"`` (a profile), ``"aihub"`` (a profile of Qualcomm AI Hub), or
            ``"openvino"`` (reports of ``benchmark_app``).
        space: As in `table_from_folder`.
        device: Name of the device that was measured, which the files of tools do not say.
        max_spread: As in `MeasurementSettings`, where the files have a standard deviation.
        max_mb: As in `table_from_folder`.

    Raises:
        FormatError: If the folder or a result is damaged, or a result is of no graph.
        FamilyMismatchError: If the graphs are of another family; says what differs.
        NoisyDeviceError: If repeated runs differ too much.
        InvalidArgumentError: If whole networks were measured, and they are too few; or a device is
            named although ``results.json`` has it.

    Warns:
        FailedMeasurementWarning: Graphs have no result, or names of operators do not say the
            layer.
    """
    folder = Path(folder)
    family, graphs = read_manifest(folder, max_mb=max_mb)
    space = as_space(family if space is None else space)
    require_family(family, space.family, "folder", str(folder / MANIFEST))
    if format == "own":
        return _of_script(folder, space, graphs, device, max_spread, max_mb)
    found = files_by_graph(folder, graphs, FORMATS[format].suffixes)
    reports = {
        file: _merged([_read(path, format, max_mb) for path in paths], paths)
        for file, paths in found.items()
    }
    missing = _warn_missing([file for file in list(graphs)[1:] if file not in reports], len(graphs))
    timings, nameless = _timings(graphs, reports)
    manifest = read_json(folder / MANIFEST, "folder", max_mb=max_mb)
    results = _results(format, device, manifest, timings, missing, next(iter(graphs)))
    metadata = _metadata(reports.values(), results)
    if _are_whole(graphs, results):
        return _predictor(space, graphs, results, metadata, nameless)
    plan = read_json(folder / PLAN, "folder", max_mb=max_mb)
    sizes = list(pixels(plan["resolutions"], f"`resolutions` of {folder / PLAN}"))
    extra = {"resolutions": sizes, "method": str(plan["method"]), **metadata}
    table = build_table(space, graphs, results, max_spread=max_spread, extra=extra)
    warn_noisy(table.metadata["noisy_layers"], len(table))
    return table


def _are_whole(graphs: Mapping[str, Graph], results: Results) -> bool:
    """Return whether there are only latencies of whole networks."""
    return all(
        graphs[file].subnet is not None and timing.layer_ms is None
        for file, timing in results.timings.items()
    )


def _of_script(
    folder: Path,
    space: SearchSpace,
    graphs: Mapping[str, Graph],
    device: str | None,
    max_spread: float,
    max_mb: float,
) -> LatencyTable | NetworkLatencyPredictor:
    if device is not None:
        raise InvalidArgumentError(
            f"`device` must be left out for the format 'own': results.json has it; got {device!r}."
        )
    results = read_results(folder, graphs, max_mb=max_mb)
    if not _are_whole(graphs, results):
        return table_from_folder(folder, space, max_spread=max_spread, max_mb=max_mb)
    require_quiet(results, max_spread)
    return _predictor(space, graphs, results, {"anchor_ms": round(results.anchor_ms, 4)}, False)


def _read(path: Path, format: str, max_mb: float) -> FarmReport:
    try:
        return FORMATS[format].read(path, max_mb)
    except OptunaOFAError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise FormatError(
            f"`folder` must have results of {format}, but {path} cannot be read: {reason:.300}."
        ) from error


def _merged(reports: Sequence[FarmReport], paths: Sequence[Path]) -> FarmReport:
    """Return one report of all files of a graph."""
    whole = [r for r in reports if r.latency_ms is not None]
    if not whole:
        raise FormatError(
            f"`folder` must have the latency of each network, but {paths[0]} has only times of "
            f"operators: keep the other report of the tool beside it."
        )
    stds = [r.std_ms for r in whole if r.std_ms is not None]
    return FarmReport(
        float(np.median([r.latency_ms for r in whole])),
        float(np.median(stds)) if stds else None,
        min((r.min_ms for r in whole if r.min_ms is not None), default=None),
        sum(r.n_runs for r in whole),
        [run for r in reports for run in r.runs],
    )


def _warn_missing(missing: Sequence[str], n: int) -> dict[str, str]:
    if missing:
        shown = ", ".join(missing[:_SHOWN]) + ", …" * (len(missing) > _SHOWN)
        warn(f"{len(missing)} of {n} graphs have no result: {shown}.", FailedMeasurementWarning)
    return dict.fromkeys(missing, "no result")


def _timings(
    graphs: Mapping[str, Graph], reports: Mapping[str, FarmReport]
) -> tuple[dict[str, Timing], bool]:
    """Return the timing of each graph, and whether operators have names without a layer."""
    timings, nameless = {}, False
    for file, r in reports.items():
        assert r.latency_ms is not None
        profiled = graphs[file].profiled and len(r.runs) > 0
        rows = layers_of(r.runs, len(graphs[file].layers)) if profiled else None
        nameless |= profiled and rows is None
        ms = r.latency_ms
        layers = None if rows is None else np.array(rows)
        timings[file] = Timing(ms, r.min_ms or ms, r.std_ms or 0.0, ms, r.n_runs, layers)
    return timings, nameless


def _results(
    format: str,
    device: str | None,
    manifest: Mapping[str, Any],
    timings: Mapping[str, Timing],
    missing: Mapping[str, str],
    anchor: str,
) -> Results:
    settings = {"batch": manifest["batch"], "precision": manifest["precision"]}
    setup = {
        "runtime": FORMATS[format].runtime,
        "versions": {},
        "settings": settings,
        "clock": "wall",
        "processor": device or "",
    }
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")  # noqa: UP017 (Python 3.10)
    anchor_ms = timings[anchor].latency_ms if anchor in timings else 0.0
    others = {file: timing for file, timing in timings.items() if file != anchor} or timings
    return Results(setup, date, anchor_ms, others, missing)


def _metadata(reports: Any, results: Results) -> dict[str, Any]:
    """Return what differs from a table of `profile`: None where the files do not say it."""
    known = any(report.std_ms is not None for report in reports)
    return {
        "collected": True,
        "anchor_ms": round(results.anchor_ms, 4) or None,
        **({} if known else {"noise_percent": None}),
    }


def _predictor(
    space: SearchSpace,
    graphs: Mapping[str, Graph],
    results: Results,
    metadata: Mapping[str, Any],
    nameless: bool,
) -> NetworkLatencyPredictor:
    if nameless:
        warn(
            "The names of operators do not say their layers, so only whole networks are used. "
            "Graphs of single layers (`method='layers'`) give a table nevertheless.",
            FailedMeasurementWarning,
        )
    subnets = [graphs[file].subnet for file in results.timings]
    matrix = space.to_matrix([subnet for subnet in subnets if subnet is not None])
    latencies = [timing.latency_ms for timing in results.timings.values()]
    facts = {**results.setup, "date": results.date, **metadata, "failures": dict(results.failures)}
    return NetworkLatencyPredictor.fit(space, matrix, latencies, metadata=facts)

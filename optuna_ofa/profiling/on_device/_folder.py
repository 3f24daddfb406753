"""Measuring a folder of graphs, a batch at a time, with results that survive an interruption."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ._batch import measure_batch
from ._rounds import Progress, TurnCounter
from ._runtime import INT8, Runtime, RuntimeSettings

RESULTS = "results.json"
MANIFEST = "manifest.json"
# Graphs that are loaded and take turns at once: each holds its weights once or twice, and an
# interruption loses the measurements of one batch.
GRAPHS_AT_ONCE = 12


def measure_folder(
    folder: Path,
    runtime: Runtime,
    settings: RuntimeSettings,
    *,
    n_rounds: int = 20,
    n_profiled: int = 20,
    progress: Progress = lambda done, total, seconds_left: None,
) -> dict[str, Any]:
    """Measure the graphs of a folder and write ``results.json`` into it after each batch.

    Graphs whose times are in ``results.json`` are not measured again, if it is of the same runtime,
    settings and device. A graph that the runtime fails on is recorded with the reason, and the
    others are still measured; the next call tries it again. The anchor, the first graph, is
    measured in every batch: a network's latency is its ratio to the anchor of the same round, times
    the anchor's median.

    Args:
        folder: Has ``manifest.json`` and the graphs.
        runtime: Runs them.
        settings: Settings of the runtime.
        n_rounds: Number of rounds of whole networks.
        n_profiled: Runs for the times of layers, where the manifest requires them.
        progress: Called with the graphs done, the total, and the estimated seconds left.

    Returns:
        The content of ``results.json``.

    Raises:
        ValueError: If the manifest is for another kind of graph, or there are results of another
            runtime or device.
        DeviceError: If the device no longer responds; earlier measurements are kept.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    _check(manifest, runtime, settings)
    if settings.pin:
        os.sched_setaffinity(0, settings.pin)
    results = _resumed(folder / RESULTS, describe_setup(runtime, settings))
    anchor, *others = manifest["graphs"]
    graphs = [g for g in others if g["file"] not in results["graphs"]]
    counter = TurnCounter(len(others) - len(graphs), len(graphs), n_rounds, progress)
    for start in range(0, len(graphs), GRAPHS_AT_ONCE):
        part = graphs[start : start + GRAPHS_AT_ONCE]
        measured = measure_batch(
            folder,
            runtime,
            anchor["file"],
            part,
            clock=results["clock"],
            n_rounds=n_rounds,
            n_profiled=n_profiled,
            tick=counter.tick,
        )
        results["graphs"].update(measured)
        _write(folder / RESULTS, results)
        counter.finish(start + len(part))
    return results


def _check(manifest: dict[str, Any], runtime: Runtime, settings: RuntimeSettings) -> None:
    file = manifest["graphs"][0]["file"]
    if not file.endswith(runtime.suffix):
        raise ValueError(
            f"`runtime` must load files such as {file}, but {runtime.name} loads {runtime.suffix}."
        )
    if (settings.precision == INT8) != (manifest["precision"] == INT8):
        rule = "int8" if manifest["precision"] == INT8 else "another than int8"
        raise ValueError(
            f"`precision` must be {rule}, which the graphs were written for, but got "
            f"{settings.precision}."
        )
    if manifest["batch"] != settings.batch:
        raise ValueError(
            f"`batch` must be {manifest['batch']}, which the graphs were written "
            f"for, but got {settings.batch}."
        )


def describe_setup(runtime: Runtime, settings: RuntimeSettings) -> dict[str, Any]:
    """Return the runtime, its settings and the device, as the header of results."""
    by_cpu_clock = settings.threads == 1 and settings.device == "cpu"
    return {
        "format": "optuna_ofa.results",
        "version": 1,
        "runtime": runtime.name,
        "versions": runtime.versions(),
        "settings": settings.to_dict(),
        "clock": "cpu" if by_cpu_clock else "wall",
        "processor": processor_name(),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def processor_name() -> str:
    """Return the name of the processor as the system reports it."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    fields = re.findall(rf"^({'|'.join(_PROCESSOR)})\s*: (.*)$", text, re.MULTILINE)
    name = ", ".join(f"{k} {v}" for k, v in dict(fields).items())
    return name or _apple_name() or platform.machine()


# the fields of /proc/cpuinfo that distinguish processors; those of ARM have no model name
_PROCESSOR = (
    "model name",
    "cpu family",
    "model",
    "Model",
    "Hardware",
    "CPU implementer",
    "CPU part",
)


def _apple_name() -> str:
    """Return what macOS calls the processor, such as ``Apple M2``; empty elsewhere."""
    if platform.system() != "Darwin":
        return ""
    command = ["sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603, constant
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _resumed(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    if not path.is_file():
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")  # noqa: UP017 (Python 3.10)
        return {**header, "date": date, "graphs": {}}
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    different = [key for key, value in header.items() if results.get(key) != value]
    if different:
        key = different[0]
        raise ValueError(
            f"`folder` must have results of the same runtime, settings and device, or none, but "
            f"{path} has {key} {results.get(key)!r} instead of {header[key]!r}; remove it to "
            f"measure anew."
        )
    graphs = results["graphs"]
    return {**results, "graphs": {file: g for file, g in graphs.items() if "error" not in g}}


def _write(path: Path, results: dict[str, Any]) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(results, allow_nan=False), encoding="utf-8")
    os.replace(temporary, path)

"""Measuring a few subnets that take turns: on this device, or on one of an executor's workers."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from optuna_ofa._progress import GraphBar
from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.measurements import Reading
from optuna_ofa.profiling._graph_folder import FORMAT as MANIFESTS, graphs_of, write_folder
from optuna_ofa.profiling._profile import script_errors
from optuna_ofa.profiling._results import FORMAT, SETUP, Results, read_results
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling._turn import turn
from optuna_ofa.profiling.on_device import (
    MANIFEST,
    RESULTS,
    Progress,
    Runtime,
    describe_setup,
    measure_folder,
)
from optuna_ofa.space import Family, Subnet

METRIC = "latency_ms"


class Part(NamedTuple):
    """What was measured of some subnets.

    Args:
        readings: Their readings, on the scale of the anchor's latency in this part.
        results: All that the device wrote; None where the runtime failed on every subnet.
        worker: The name of the device in the network.
    """

    readings: Mapping[Subnet, Reading]
    results: Results | None
    worker: str


def setup_of(runtime: Runtime, settings: MeasurementSettings) -> dict[str, Any]:
    """Return the runtime, its settings and this device, which latencies depend on."""
    described = describe_setup(runtime, settings)
    return {key: value for key, value in described.items() if key in SETUP}


def setup_of_worker(settings: MeasurementSettings) -> dict[str, Any]:
    """Return what `setup_of` does, on a worker.

    Raises:
        InvalidArgumentError, MissingDependencyError: As `MeasurementSettings.open_runtime`.
    """
    return setup_of(settings.open_runtime(), settings)


def measure_part(
    family: Family,
    subnets: Sequence[Subnet],
    runtime: Runtime,
    settings: MeasurementSettings,
    folder: Path,
    bar: GraphBar | None = None,
) -> Part:
    """Measure subnets that are loaded at once.

    Args:
        family: Their family.
        subnets: The subnets, each once.
        runtime: The runtime.
        settings: Its settings.
        folder: Where graphs are written, and kept.
        bar: Shows what is done; None shows nothing.
    """
    for format, name in ((MANIFESTS, MANIFEST), (FORMAT, RESULTS)):  # of the part before
        if (folder / name).exists():
            format.read(folder / name)  # refuses files of others
            (folder / name).unlink()
    written, running = _shown(bar)
    _, *files = write_folder(
        folder, graphs_of(subnets), family=family, settings=settings, progress=written
    )
    running(0, len(subnets), 0)
    n_rounds = settings.n_rounds
    graphs = measure_folder(folder, runtime, settings, n_rounds=n_rounds, progress=running)[
        "graphs"
    ]
    reasons = {file: graphs[file]["error"] for file in files if "error" in graphs[file]}
    results = read_results(folder) if len(reasons) < len(files) else None
    worker = platform.node() or "unknown"
    readings = [
        _failed(reasons[file], worker) if file in reasons else _reading(results, file, worker)
        for file in files
    ]
    return Part(dict(zip(subnets, readings, strict=True)), results, worker)


class Task(NamedTuple):
    """What a worker measures.

    Args:
        family: The family of the subnets.
        subnets: The subnets, each once.
        settings: The settings.
        setup: What `setup_of` returned on another worker.
    """

    family: Family
    subnets: Sequence[Subnet]
    settings: MeasurementSettings
    setup: Mapping[str, Any]


def measure_on_worker(task: Task) -> Part:
    """Measure subnets on the device of a worker, while no other worker of its host measures.

    Raises:
        MeasurementError: If the device fails, or it or its runtime is another than that of the
            setup.
    """
    family, subnets, settings, setup = task
    runtime = settings.open_runtime()
    own = setup_of(runtime, settings)
    different = [key for key in setup if own[key] != setup[key]]
    if different:
        key = different[0]
        raise MeasurementError(
            f"The workers of `executor` must be devices of one kind, but {platform.node()} has "
            f"{key} {own[key]!r}, another {setup[key]!r}."
        )
    with turn("measuring"), _own_processors(), graphs_folder(None) as folder, script_errors():
        return measure_part(family, subnets, runtime, settings, folder)


@contextlib.contextmanager
def graphs_folder(folder: str | os.PathLike[str] | None) -> Iterator[Path]:
    """Yield the folder that is given, or one that is removed at the end."""
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextlib.contextmanager
def _own_processors() -> Iterator[None]:
    """Give the processors back that the settings pin a worker to, which has other tasks too."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _shown(bar: GraphBar | None) -> tuple[Progress, Progress]:
    """Return what shows the graphs that are written, and those that run."""
    if bar is None:
        return (lambda done, total, left: None,) * 2

    def written(done: int, total: int, left: float) -> None:
        bar.say(f"graph {done} of {total} written")

    def running(done: int, total: int, left: float) -> None:
        bar.say(f"running {total} in turns" + (f", {left:.0f} s left" if left else ""))

    return written, running


def _failed(reason: str, worker: str) -> Reading:
    details = {"min_ms": None, "wall_ms": None, "anchor_ms": None, "worker": worker}
    return Reading(METRIC, None, None, 0, details, reason)


def _reading(results: Results | None, file: str, worker: str) -> Reading:
    assert results is not None
    t = results.timings[file]
    details: dict[str, Any] = {"min_ms": t.min_ms, "wall_ms": t.wall_ms}
    details |= {"anchor_ms": results.anchor_ms, "worker": worker}
    return Reading(METRIC, t.latency_ms, t.std_ms, t.n_rounds, details)

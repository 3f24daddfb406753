"""Measuring whole subnets."""

from __future__ import annotations

import contextlib
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from optuna.storages import BaseStorage

from optuna_ofa._progress import progress_bar
from optuna_ofa.exceptions import FailedMeasurementWarning, NoisyDeviceWarning
from optuna_ofa.measurements import MeasurementTable
from optuna_ofa.profiling._export import MAX_SPREAD, as_space
from optuna_ofa.profiling._graph_folder import graphs_of, read_manifest, write_folder
from optuna_ofa.profiling._measurements import COLUMNS, METRIC, LatencyRow, Measurements
from optuna_ofa.profiling._profile import argument_errors
from optuna_ofa.profiling._results import SETUP, Results, read_results
from optuna_ofa.profiling._runtimes import find_runtime, find_writer
from optuna_ofa.profiling.on_device._folder import (
    BATCH,
    MANIFEST,
    RESULTS,
    describe,
    measure_folder,
)
from optuna_ofa.profiling.on_device._runtime import Runtime, Settings
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet

_TIMES = ("latency_ms", "min_ms", "std_ms", "wall_ms")
# wall clock over CPU clock above which others kept the processor busy
_BUSY = 1.2


def measure(
    space: str | Family | SearchSpace,
    matrix: Matrix,
    *,
    runtime: str | Runtime = "onnxruntime",
    storage: str | BaseStorage | optuna.Study | None = None,
    again: bool = False,
    threads: int = 1,
    batch: int = 1,
    precision: str = "float32",
    device: str = "cpu",
    pin: Sequence[int] = (),
    n_rounds: int = 20,
    max_spread: float = MAX_SPREAD,
    anchor_ms: float | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Measurements:
    """Measure the latency of subnets on this device.

    Subnets take turns in rounds, beside an anchor subnet that is the same for all of a family:
    a latency is the median ratio to the anchor of the same round, times the anchor's latency.
    With one thread the process's CPU clock counts, which other programs disturb little.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` genotypes; equal ones are measured once.
        runtime: As in `profile`.
        storage: A relational database that measurements are written to as soon as they are
            made, and where those of the same device, runtime and settings are looked up first:
            an Optuna storage, its URL, or a study. None keeps nothing.
        again: Measure what the database has once more; both stay in it.
        threads: As in `profile`.
        batch: As in `profile`.
        precision: As in `profile`.
        device: As in `profile`.
        pin: As in `profile`.
        n_rounds: Rounds.
        max_spread: Relative standard deviation of a round above which a warning is given.
        anchor_ms: Latency of the anchor that all are scaled to, such as ``anchor_ms`` in a
            table's metadata; None takes that of the first measurement in the database, or now.
        folder: Where graphs are kept, so that measuring again need not write them again; None
            removes them.
        progress: Whether to show what is done.

    Returns:
        The measurements in the order of the matrix. A subnet that the database has several of
        gets their median, unless ``again``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        InvalidSubnetError: If a row does not belong to the space.
        MissingDependencyError: If the runtime is not installed.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: The runtime failed on some subnets.
        NoisyDeviceWarning: The device was busy, or its runs differ by more than ``max_spread``.
    """
    space = as_space(space)
    matrix = space.canonicalize(space.check(np.asarray(matrix)))
    settings = Settings(threads, batch, precision, device, tuple(pin))
    found = find_runtime(runtime, settings)
    setup = {key: value for key, value in describe(found, settings).items() if key in SETUP}
    table = None if storage is None else MeasurementTable(storage, setup)
    subnets = space.from_matrix(matrix)
    rows = {} if table is None or again else table.read(subnets)
    if anchor_ms is None and table is not None:
        anchor_ms = _reference(table, space.family)
    known = {
        subnet: _median([_on_scale(LatencyRow.from_row(row), anchor_ms) for row in repeats])
        for subnet, repeats in rows.items()
    }
    missing = [s for s in dict.fromkeys(subnets) if s not in known]
    begin = time.monotonic()
    with progress_bar("measuring", progress) as tick:
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            with _graphs(folder) as place, argument_errors():
                results, measured = _measure(
                    space, part, found, settings, n_rounds, anchor_ms, place
                )
            anchor_ms = anchor_ms or results.anchor_ms
            known |= measured
            if table is not None:
                table.add((subnet, row.to_row()) for subnet, row in measured.items())
            _warn(results, max_spread)
            done = start + len(part)
            tick(done, len(missing), (time.monotonic() - begin) / done * (len(missing) - done))
    return _collect(space, matrix, [known[s] for s in subnets], setup, anchor_ms)


def _reference(table: MeasurementTable, family: Family) -> float | None:
    """Latency of the anchor when a family was first measured; None if it never was."""
    row = table.first(family.name, METRIC)
    return None if row is None else LatencyRow.from_row(row).anchor_ms


@contextlib.contextmanager
def _graphs(folder: str | Path | None) -> Iterator[Path]:
    """The folder that is given, or one that is removed at the end."""
    if folder is not None:
        yield Path(folder)
        return
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _measure(
    space: SearchSpace,
    subnets: Sequence[Subnet],
    runtime: Runtime,
    settings: Settings,
    n_rounds: int,
    anchor_ms: float | None,
    folder: Path,
) -> tuple[Results, dict[Subnet, LatencyRow]]:
    """One batch, loaded at once."""
    for name in (MANIFEST, RESULTS):  # of another batch
        (folder / name).unlink(missing_ok=True)
    write_folder(
        folder,
        graphs_of(subnets),
        family=space.family,
        suffix=runtime.suffix,
        write=find_writer(runtime.suffix, settings.precision),
        batch=settings.batch,
        precision=settings.precision,
    )
    measure_folder(folder, runtime, settings, n_rounds=n_rounds)
    results = read_results(folder, anchor_ms=anchor_ms)
    graphs = list(read_manifest(folder, space).items())[1:]  # the anchor is the first
    rows = {}
    for file, graph in graphs:
        assert graph.subnet is not None
        rows[graph.subnet] = _row(results, file, anchor_ms or results.anchor_ms)
    return results, rows


def _row(results: Results, file: str, anchor_ms: float) -> LatencyRow:
    if file in results.failures:
        return LatencyRow(None, None, None, None, None, 0, results.failures[file])
    t = results.timings[file]
    return LatencyRow(t.latency_ms, t.min_ms, t.std_ms, t.wall_ms, anchor_ms, t.n_rounds)


def _on_scale(row: LatencyRow, anchor_ms: float | None) -> LatencyRow:
    """A stored measurement, as if the anchor had taken ``anchor_ms``."""
    if row.latency_ms is None or row.std_ms is None or not row.anchor_ms or anchor_ms is None:
        return row
    scale = anchor_ms / row.anchor_ms
    return row._replace(
        latency_ms=row.latency_ms * scale, std_ms=row.std_ms * scale, anchor_ms=anchor_ms
    )


def _median(rows: Sequence[LatencyRow]) -> LatencyRow:
    """The middle of several measurements of one subnet; the last failure where all failed."""
    good = [row for row in rows if row.latency_ms is not None]
    if not good:
        return rows[-1]
    columns = np.array([[getattr(row, name) for name in _TIMES] for row in good])
    return good[-1]._replace(**dict(zip(_TIMES, np.median(columns, axis=0).tolist(), strict=True)))


def _warn(results: Results, max_spread: float) -> None:
    if results.failures:
        file, reason = next(iter(results.failures.items()))
        warnings.warn(
            f"{results.setup['runtime']} failed on {len(results.failures)} graphs, the first of "
            f"them {file}: {reason}",
            FailedMeasurementWarning,
            stacklevel=3,
        )
    if results.clock == "cpu" and results.busy > _BUSY:
        warnings.warn(
            f"Other programs used the processor: networks took {results.busy:.2f} times as long "
            f"by the wall clock as they computed for.",
            NoisyDeviceWarning,
            stacklevel=3,
        )
    if results.spread > max_spread:
        warnings.warn(
            f"Repeated runs differ by {results.spread:.1%} (standard deviation), and `max_spread` "
            f"is {max_spread:.1%}; end other programs, use `pin`, or raise `n_rounds`.",
            NoisyDeviceWarning,
            stacklevel=3,
        )


def _collect(
    space: SearchSpace,
    matrix: Matrix,
    rows: Sequence[LatencyRow],
    setup: Mapping[str, object],
    anchor_ms: float | None,
) -> Measurements:
    columns = {name: np.array([getattr(r, name) for r in rows], dtype=float) for name in COLUMNS}
    failures = {i: r.error for i, r in enumerate(rows) if r.error is not None}
    return Measurements(
        space=space,
        matrix=matrix,
        setup=setup,
        failures=failures,
        anchor_ms=anchor_ms or float("nan"),
        **columns,
    )

"""Measuring the latency table of this device."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from optuna_ofa._progress import graph_progress
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.profiling._export import Method, as_space, export_profile, table_from_folder
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling.on_device import measure_folder
from optuna_ofa.space import Family, SearchSpace


def profile(
    space: str | Family | SearchSpace,
    settings: MeasurementSettings | None = None,
    *,
    out: str | Path | None = None,
    resolutions: Sequence[int] | None = None,
    method: Method | None = None,
    folder: str | Path | None = None,
    progress: bool | None = None,
) -> LatencyTable:
    """Measure the latency table of this device.

    Args:
        space: A family by name or value, or a `SearchSpace`, whose layers are measured.
        settings: The runtime and its settings; None is `MeasurementSettings()`, ONNX Runtime on
            one thread.
        out: File that the table is saved to.
        resolutions: Input sizes in pixels that are measured; None takes the smallest and the
            largest of the space. Those between are interpolated.
        method: ``"networks"`` profiles a few networks that hold every layer, ``"layers"`` runs
            every layer alone; None takes the first where the runtime can profile.
        folder: A folder for graphs and results; None takes ``out`` with ``.graphs`` appended
            and removes it at the end. A folder with results is gone on with.
        progress: Whether to show progress bars with the time left; None shows them on a terminal
            only.

    Returns:
        The table.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        MissingDependencyError: If the runtime is not installed.
        NoisyDeviceError: If repeated runs differ too much.
        FormatError: If the runtime fails on every graph.
    """
    space, settings = as_space(space), settings or MeasurementSettings()
    runtime = settings.open_runtime()
    with _work_folder(folder, out) as place:
        export_profile(
            space,
            place,
            runtime=settings.runtime,
            resolutions=resolutions,
            method=method,
            batch=settings.batch,
            precision=settings.precision,
            progress=progress,
        )
        with graph_progress("measuring", progress) as tick, argument_errors():
            measure_folder(place, runtime, settings, n_rounds=settings.n_rounds, progress=tick)
        table = table_from_folder(place, space, max_spread=settings.max_spread)
        if out is not None:
            table.save(out)
    return table


@contextlib.contextmanager
def argument_errors() -> Iterator[None]:
    """Raise an `InvalidArgumentError` for a `ValueError` of the device's script."""
    try:
        yield
    except OptunaOFAError:
        raise
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error


@contextlib.contextmanager
def _work_folder(folder: str | Path | None, out: str | Path | None) -> Iterator[Path]:
    """Yield the folder that is given, or one that is removed once all went well."""
    if folder is not None:
        yield Path(folder)
        return
    place = Path(f"{out}.graphs") if out is not None else Path(tempfile.mkdtemp())
    yield place
    shutil.rmtree(place)

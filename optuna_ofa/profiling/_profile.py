"""Measuring the latency table of this device."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import AnyPath, OutputFile, OutputFolder, Positive, checked
from optuna_ofa._progress import graph_progress
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError, OptunaOFAError
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.profiling._export import Method, as_space, export_profile, table_from_folder
from optuna_ofa.profiling._graph_folder import PLAN, read_manifest, remove_folder
from optuna_ofa.profiling._noisy import measure_noisy_again
from optuna_ofa.profiling._results import MEASURED_MB, earlier_results, read_results
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling.on_device import MANIFEST, RESULTS, DeviceError, measure_folder
from optuna_ofa.space import Family, SearchSpace


@checked
def profile(
    space: AnyPath | Family | SearchSpace,
    settings: MeasurementSettings | None = None,
    *,
    out: OutputFile | None = None,
    resolutions: Sequence[Positive] | None = None,
    method: Method | None = None,
    folder: OutputFolder | None = None,
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
            and removes what it wrote there at the end. Measuring resumes from the results in the
            folder, if there are any.
        progress: Whether to show progress bars with the time left; None shows them on a terminal
            only.

    Returns:
        The table.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        MissingDependencyError: If the runtime is not installed.
        NoisyDeviceError: If repeated runs differ too much; the next call measures again.
        MeasurementError: If the device no longer responds, or the runtime fails on every graph.
            Earlier measurements are kept in the folder, and another call continues.

    Warns:
        NoisyDeviceWarning: The times of some layers have a standard deviation above their mean,
            even after two more measurements of the networks that contain them; names the layers.
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
        _forget_noise(place, settings.max_spread)

        def measure_missing() -> dict[str, Any]:
            n_graphs = len(read_manifest(place)[1]) - 1  # without the anchor
            with graph_progress("measuring", progress, total=n_graphs) as bar, script_errors():
                return measure_folder(
                    place, runtime, settings, n_rounds=settings.n_rounds, progress=bar
                )

        _require_some(measure_missing()["graphs"], settings)
        if read_results(place).relative_std <= settings.max_spread:
            measure_noisy_again(place, read_manifest(place)[1], measure_missing)
        table = table_from_folder(place, space, max_spread=settings.max_spread, max_mb=MEASURED_MB)
        if out is not None:
            table.save(out)
    return table


@contextlib.contextmanager
def script_errors() -> Iterator[None]:
    """Raise errors of this package for a `ValueError` and a `DeviceError` of the script."""
    try:
        yield
    except OptunaOFAError:
        raise
    except DeviceError as error:
        raise MeasurementError(
            f"{error}. What was measured before is kept; call again to continue."
        ) from error
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error


def _forget_noise(folder: Path, max_spread: float) -> None:
    """Remove results that are too noisy for a table, so that the next call measures again."""
    results = earlier_results(folder)
    if results is not None and results.relative_std > max_spread:
        (folder / RESULTS).unlink()


def _require_some(graphs: Mapping[str, Any], settings: MeasurementSettings) -> None:
    if graphs and all("error" in graph for graph in graphs.values()):
        reason = next(iter(graphs.values()))["error"]
        raise MeasurementError(
            f"{settings.runtime} failed on all {len(graphs)} graphs, the first time with: {reason}"
        )


@contextlib.contextmanager
def _work_folder(folder: AnyPath | None, out: AnyPath | None) -> Iterator[Path]:
    """Yield the folder that is given, or one whose graphs are removed on success."""
    if folder is not None:
        yield Path(folder)
        return
    place = Path(f"{out}.graphs") if out is not None else Path(tempfile.mkdtemp())
    yield place
    remove_folder(place, [*read_manifest(place)[1], MANIFEST, PLAN, RESULTS])

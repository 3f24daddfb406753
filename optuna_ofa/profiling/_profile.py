"""From a device to a latency table."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from optuna_ofa._progress import progress_bar
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.profiling._export import (
    MAX_SPREAD,
    Method,
    as_space,
    export_profile,
    table_from_folder,
)
from optuna_ofa.profiling._runtimes import find_runtime
from optuna_ofa.profiling.on_device._folder import measure_folder
from optuna_ofa.profiling.on_device._runtime import Runtime, Settings
from optuna_ofa.space import Family, SearchSpace


def profile(
    space: str | Family | SearchSpace,
    *,
    runtime: str | Runtime = "onnxruntime",
    out: str | Path | None = None,
    resolutions: Sequence[int] | None = None,
    method: Method | None = None,
    threads: int = 1,
    batch: int = 1,
    precision: str = "float32",
    device: str = "cpu",
    pin: Sequence[int] = (),
    n_rounds: int = 20,
    max_spread: float = MAX_SPREAD,
    folder: str | Path | None = None,
    progress: bool = True,
) -> LatencyTable:
    """Measure the latency table of this device.

    Args:
        space: A family by name or value, or a `SearchSpace`, whose layers are measured.
        runtime: ``"onnxruntime"``, ``"openvino"``, ``"torch"``, ``"executorch"``, or an object of
            your own (`optuna_ofa.profiling.Runtime`).
        out: File that the table is saved to.
        resolutions: Input sizes in pixels that are measured; None takes the smallest and the
            largest of the space. Those between are interpolated.
        method: ``"networks"`` profiles a few networks that hold every layer, ``"layers"`` runs
            every layer alone; None takes the first where the runtime can profile.
        threads: Threads of the runtime. Above one, latencies are by the wall clock.
        batch: Images at once; latencies are of the whole batch.
        precision: ``"float32"``; ``"int8"`` (statically quantised) for ONNX Runtime and OpenVINO;
            ``"float16"`` and ``"bfloat16"`` for OpenVINO, as hints, and torch.
        device: ``"cpu"``, or what else the runtime offers.
        pin: Processors to keep to.
        n_rounds: Rounds of the interleaved measurement.
        max_spread: Largest relative standard deviation of a round that is accepted.
        folder: Where graphs and results are kept; None takes ``out`` with ``.graphs`` appended
            and removes it at the end. A folder with results is gone on with.
        progress: Whether to show what is done and the time left.

    Returns:
        The table.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        MissingDependencyError: If the runtime is not installed.
        NoisyDeviceError: If repeated runs differ too much.
        FormatError: If the runtime fails on every graph.
    """
    space = as_space(space)
    settings = Settings(threads, batch, precision, device, tuple(pin))
    found = find_runtime(runtime, settings)
    with _work_folder(folder, out) as place:
        export_profile(
            space,
            place,
            runtime=found,
            resolutions=resolutions,
            method=method,
            batch=batch,
            precision=precision,
            progress=progress,
        )
        with progress_bar("measuring", progress) as tick, argument_errors():
            measure_folder(place, found, settings, n_rounds=n_rounds, progress=tick)
        table = table_from_folder(place, space, max_spread=max_spread)
        if out is not None:
            table.save(out)
    return table


@contextlib.contextmanager
def argument_errors() -> Iterator[None]:
    """Turn what the device's script refuses into an error of ours."""
    try:
        yield
    except OptunaOFAError:
        raise
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error


@contextlib.contextmanager
def _work_folder(folder: str | Path | None, out: str | Path | None) -> Iterator[Path]:
    """The folder that is given, or one that is gone once all went well."""
    if folder is not None:
        yield Path(folder)
        return
    place = Path(f"{out}.graphs") if out is not None else Path(tempfile.mkdtemp())
    yield place
    shutil.rmtree(place)

"""Folders of graphs that are measured on any device, and the latency table of the results."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from optuna_ofa._arguments import AnyPath, OutputFolder, Positive, PositiveFloat, Text, checked
from optuna_ofa._files import read_json
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._progress import graph_progress, stage
from optuna_ofa._values import pixels
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.profiling._cover import covering_subnets, signatures, space_at
from optuna_ofa.profiling._graph_folder import PLAN, Graph, graphs_of, read_manifest, write_folder
from optuna_ofa.profiling._noisy import warn_noisy
from optuna_ofa.profiling._results import read_results
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling._table import build_table
from optuna_ofa.profiling.on_device import MANIFEST, Runtime
from optuna_ofa.space import Family, SearchSpace, find_family, require_family

Method = Literal["networks", "layers"]
# `subnets` have whole latencies only, which a predictor is fitted to
ExportMethod = Literal["networks", "layers", "subnets"]


@checked
def export_profile(
    space: AnyPath | Family | SearchSpace,
    folder: OutputFolder,
    *,
    runtime: str | Runtime = MeasurementSettings.runtime,
    resolutions: Sequence[Positive] | None = None,
    method: ExportMethod | None = None,
    n: Positive = 20,
    batch: Positive = MeasurementSettings.batch,
    precision: Text = MeasurementSettings.precision,
    progress: bool | None = None,
) -> None:
    """Write the graphs that `profile` measures, and the script that measures them.

    Carry the folder to the device, run ``python -m on_device --runtime onnxruntime .`` in it (it
    needs the runtime and numpy), bring the folder or its ``results.json`` back, and call
    `table_from_folder`.

    Args:
        space: As in `profile`.
        folder: The folder to write.
        runtime: As in `MeasurementSettings`; it need not be installed here, but the package that
            writes its graphs must be.
        resolutions: As in `profile`.
        method: As in `profile`; or ``"subnets"``, random subnets of the space, whose latencies as a
            whole `collect_results` turns into a predictor.
        n: Number of those subnets.
        batch: As in `MeasurementSettings`.
        precision: As in `MeasurementSettings`; ``"int8"`` needs separate graphs.
        progress: Whether to show a progress bar; None shows it on a terminal only.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, or the folder has other graphs.
        MissingDependencyError: If a package that writes the graphs is not installed.
    """
    space, folder = as_space(space), Path(folder)
    settings = MeasurementSettings(runtime=runtime, batch=batch, precision=precision)
    profiles = settings.profiles
    method = method or ("networks" if profiles else "layers")
    if method == "networks" and not profiles:
        raise InvalidArgumentError(
            f"`method` must be 'layers' or 'subnets' for this runtime, which can"
            f"{'' if profiles else 'not'} profile a network, but got {method!r}."
        )
    if method == "subnets" and resolutions is not None:
        raise InvalidArgumentError(
            f"`resolutions` must be left out for subnets, which have those of the space, but got "
            f"{list(resolutions)}."
        )
    sizes = _sizes(space, resolutions)
    with stage("choosing what to measure", progress):
        if method == "subnets":
            graphs = graphs_of(space.from_matrix(space.sample(n, seed=0)))
        else:
            graphs = (_network_graphs if method == "networks" else _layer_graphs)(space, sizes)
    with graph_progress("writing graphs", progress, total=len(graphs) + 1) as bar:
        write_folder(folder, graphs, family=space.family, settings=settings, progress=bar)
    (folder / PLAN).write_text(json.dumps({"resolutions": sizes, "method": method}))


@checked
def table_from_folder(
    folder: AnyPath,
    space: AnyPath | Family | SearchSpace | None = None,
    *,
    max_spread: PositiveFloat = MeasurementSettings.max_spread,
    max_mb: PositiveFloat = MAX_MB,
) -> LatencyTable:
    """Return the table of a folder of `export_profile` with its ``results.json``.

    Args:
        folder: The folder.
        space: The space that it was written for; None is the family that the folder names.
        max_spread: As in `MeasurementSettings`.
        max_mb: The largest file to read, in megabytes of 10^6 bytes.

    Raises:
        FormatError: If a file is missing or damaged.
        FamilyMismatchError: If the graphs are of another family; says what differs.
        NoisyDeviceError: If repeated runs differ too much.

    Warns:
        NoisyDeviceWarning: The times of some layers have a standard deviation above their mean.
    """
    folder = Path(folder)
    try:
        plan = read_json(folder / PLAN, "folder", max_mb=max_mb)
        sizes = pixels(plan["resolutions"], f"`resolutions` of {folder / PLAN}")
        extra = {"resolutions": list(sizes), "method": str(plan["method"])}
        family, graphs = read_manifest(folder, max_mb=max_mb)
        space = as_space(family if space is None else space)
        require_family(family, space.family, "folder", str(folder / MANIFEST))
        results = read_results(folder, graphs, max_mb=max_mb)
        table = build_table(space, graphs, results, max_spread=max_spread, extra=extra)
    except OptunaOFAError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            f"`folder` must be one that `export_profile` wrote, but {folder} is not: {error!r:.300}"
        ) from error
    warn_noisy(table.metadata["noisy_layers"], len(table))
    return table


def as_space(space: AnyPath | Family | SearchSpace) -> SearchSpace:
    """Return the space, or the whole space of a family."""
    return space if isinstance(space, SearchSpace) else SearchSpace(find_family(space, "space"))


def _sizes(space: SearchSpace, resolutions: Sequence[int] | None) -> list[int]:
    sizes = sorted(
        {space.resolutions[0], space.resolutions[-1]}
        if resolutions is None
        else {int(r) for r in resolutions}
    )
    if not sizes:
        raise InvalidArgumentError("`resolutions` must be at least one, but got none.")
    return sizes


def _network_graphs(space: SearchSpace, sizes: Sequence[int]) -> list[Graph]:
    return [g for r in sizes for g in graphs_of(covering_subnets(space, r), profiled=True)]


def _layer_graphs(space: SearchSpace, sizes: Sequence[int]) -> list[Graph]:
    every = (layer for r in sizes for layer in signatures(space_at(space, r)))
    wholes = []  # layers have to add up to these
    for resolution in sizes:
        subnets = covering_subnets(space, resolution)
        wholes += [subnets[0], subnets[len(subnets) // 2]]
    return [*graphs_of(wholes), *(Graph((layer,)) for layer in dict.fromkeys(every))]

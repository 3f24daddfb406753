"""Graphs to profile, written here and measured anywhere, and the table of what came back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from optuna_ofa._progress import progress_bar
from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.predictors import LatencyTable
from optuna_ofa.profiling._cover import at_resolution, covering_subnets, signatures
from optuna_ofa.profiling._graph_folder import Graph, graphs_of, read_manifest, write_folder
from optuna_ofa.profiling._results import read_results
from optuna_ofa.profiling._runtimes import RUNTIMES, find_writer
from optuna_ofa.profiling._table import build_table
from optuna_ofa.profiling.on_device._runtime import Runtime
from optuna_ofa.space import Family, SearchSpace, get_family

Method = Literal["networks", "layers"]
# Relative standard deviation of a round above which a table means nothing.
MAX_SPREAD = 0.1
PLAN = "profile.json"


def export_profile(
    space: str | Family | SearchSpace,
    folder: str | Path,
    *,
    runtime: str | Runtime = "onnxruntime",
    resolutions: Sequence[int] | None = None,
    method: Method | None = None,
    batch: int = 1,
    precision: str = "float32",
    progress: bool = False,
) -> None:
    """Write the graphs that `profile` measures, and the script that measures them.

    Carry the folder to the device, run ``python -m on_device --runtime onnxruntime .`` in it (it
    needs the runtime and numpy), bring the folder or its ``results.json`` back, and call
    `table_from_folder`.

    Args:
        space: As in `profile`.
        folder: Where to.
        runtime: What will run the graphs; it need not be installed here, but what writes its
            graphs does.
        resolutions: As in `profile`.
        method: As in `profile`.
        batch: Images at once.
        precision: As in `profile`; ``"int8"`` needs graphs of its own.
        progress: Whether to show what is done.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, or the folder has other graphs.
        MissingDependencyError: If what writes the graphs is not installed.
    """
    space, folder = as_space(space), Path(folder)
    suffix, profiles = _kind_of(runtime)
    method = method or ("networks" if profiles else "layers")
    if method not in ("networks", "layers") or (method == "networks" and not profiles):
        raise InvalidArgumentError(
            f"`method` must be 'layers'{' or networks' * profiles} for this runtime, which can"
            f"{'' if profiles else 'not'} profile a network, but got {method!r}."
        )
    sizes = _sizes(space, resolutions)
    graphs = _network_graphs(space, sizes) if method == "networks" else _layer_graphs(space, sizes)
    write = find_writer(suffix, precision)
    with progress_bar("writing graphs", progress) as tick:
        write_folder(
            folder,
            graphs,
            family=space.family,
            suffix=suffix,
            write=write,
            batch=batch,
            precision=precision,
            progress=tick,
        )
    (folder / PLAN).write_text(json.dumps({"resolutions": sizes, "method": method}))


def table_from_folder(
    folder: str | Path, space: str | Family | SearchSpace, *, max_spread: float = MAX_SPREAD
) -> LatencyTable:
    """The table of a folder of `export_profile` with its ``results.json``.

    Raises:
        FormatError: If a file is missing or no such file.
        NoisyDeviceError: If repeated runs differ too much.
    """
    space, folder = as_space(space), Path(folder)
    try:
        plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        extra = {"resolutions": list(plan["resolutions"]), "method": str(plan["method"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"`folder` must be one that `export_profile` wrote, but {folder} is not: {error!r}"
        ) from error
    graphs = read_manifest(folder, space)
    return build_table(space, graphs, read_results(folder), max_spread=max_spread, extra=extra)


def as_space(space: str | Family | SearchSpace) -> SearchSpace:
    """A space, of a family by name or value."""
    if isinstance(space, SearchSpace):
        return space
    return SearchSpace(get_family(space) if isinstance(space, str) else space)


def _kind_of(runtime: str | Runtime) -> tuple[str, bool]:
    kind = RUNTIMES.get(runtime) if isinstance(runtime, str) else runtime
    if kind is None:
        raise InvalidArgumentError(
            f"`runtime` must be one of {', '.join(RUNTIMES)}, or an object, but got {runtime!r}."
        )
    return str(getattr(kind, "suffix", "")), bool(getattr(kind, "profiles", False))


def _sizes(space: SearchSpace, resolutions: Sequence[int] | None) -> list[int]:
    sizes = sorted(
        {space.resolutions[0], space.resolutions[-1]}
        if resolutions is None
        else {int(r) for r in resolutions}
    )
    if not sizes or sizes[0] < 1:
        raise InvalidArgumentError(
            f"`resolutions` must be positive integers, at least one, but got {resolutions}."
        )
    return sizes


def _network_graphs(space: SearchSpace, sizes: Sequence[int]) -> list[Graph]:
    return [g for r in sizes for g in graphs_of(covering_subnets(space, r), profiled=True)]


def _layer_graphs(space: SearchSpace, sizes: Sequence[int]) -> list[Graph]:
    every = (layer for r in sizes for layer in signatures(at_resolution(space, r)))
    wholes = []  # what the layers have to add up to
    for resolution in sizes:
        subnets = covering_subnets(space, resolution)
        wholes += [subnets[0], subnets[len(subnets) // 2]]
    return [*graphs_of(wholes), *(Graph((layer,)) for layer in dict.fromkeys(every))]

"""Folders of graphs that a device measures."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import optuna_ofa.profiling.on_device as on_device
from optuna_ofa._json_format import JsonFormat
from optuna_ofa._writing import replacing
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.profiling._runtimes import find_writer
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling.on_device import INT8, MANIFEST, RESULTS, Progress
from optuna_ofa.space import (
    Family,
    Layer,
    Subnet,
    family_from_json,
    layer_from_dict,
    require_family,
    subnet_layers,
    subnet_of,
)

FORMAT = JsonFormat("optuna_ofa.graphs", version=1, argument="folder")
SCRIPT = "on_device"
PLAN = "profile.json"


class Graph(NamedTuple):
    """One network or layer to measure.

    Args:
        layers: Its layers.
        subnet: The subnet, None for a layer alone.
        profiled: Whether the times of its layers are needed.
    """

    layers: tuple[Layer, ...]
    subnet: Subnet | None = None
    profiled: bool = False


def anchor(family: Family) -> Subnet:
    """Return the anchor of a family, which has the middle choices."""
    return subnet_of(family, [gene.choices[len(gene.choices) // 2] for gene in family.genes])


def graphs_of(subnets: Iterable[Subnet], *, profiled: bool = False) -> list[Graph]:
    """Return a graph for each subnet."""
    return [Graph(subnet_layers(s), s, profiled) for s in subnets]


def write_folder(
    folder: Path,
    graphs: Sequence[Graph],
    *,
    family: Family,
    settings: MeasurementSettings,
    progress: Progress = lambda done, total, seconds_left: None,
) -> list[str]:
    """Write graphs, their manifest, and the script that measures them.

    The first graph is the family's anchor. Existing graphs are kept, so an interrupted export can
    be resumed.

    Args:
        folder: The folder, which is created where it does not exist.
        graphs: The graphs to measure.
        family: The family of all of them.
        settings: The runtime, batch size, and precision.
        progress: Called with the graphs written, the total, and the estimated seconds left.

    Returns:
        The file of the anchor, and those of the graphs in their order.

    Raises:
        InvalidArgumentError: If the folder has other graphs, or nothing writes graphs for the
            runtime in that precision.
        FamilyMismatchError: If the folder has graphs of another family; says what differs.
        FormatError: If the manifest of the folder is damaged.
    """
    suffix, batch, precision = settings.graph_suffix, settings.batch, settings.precision
    write = find_writer(suffix, precision)
    folder.mkdir(parents=True, exist_ok=True)
    every = [*graphs_of([anchor(family)]), *graphs]
    files = [f"{_digest(graph, batch, precision)}{suffix}" for graph in every]
    manifest: dict[str, Any] = {
        "family": family.to_dict(),
        "batch": batch,
        # other precisions use the same graphs
        "precision": precision if precision == INT8 else "float32",
        "graphs": [_described(graph, file) for graph, file in zip(every, files, strict=True)],
    }
    path = folder / MANIFEST
    wrapped = json.loads(json.dumps(FORMAT.wrap(manifest)))
    there = FORMAT.read(path) if path.is_file() else wrapped
    if there is wrapped and any((folder / own).exists() for own in (PLAN, RESULTS)):
        raise InvalidArgumentError(
            f"`folder` must be new, or have the same graphs, but {folder} has {PLAN} or {RESULTS} "
            f"and no {MANIFEST}."
        )
    theirs = family_from_json(there.get("family"), str(path))
    require_family(theirs, family, "folder", str(path))
    if {**there, "family": None} != {**wrapped, "family": None}:
        raise InvalidArgumentError(
            f"`folder` must be new, or have the same graphs, but {folder} has others."
        )
    start = time.monotonic()
    for i, (graph, file) in enumerate(zip(every, files, strict=True), start=1):
        if not (folder / file).is_file():
            with replacing(folder / file) as part:
                write(graph.layers, part, batch)
        progress(i, len(every), (time.monotonic() - start) / i * (len(every) - i))
    source = Path(on_device.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, folder / SCRIPT, ignore=ignored, dirs_exist_ok=True)
    FORMAT.write(path, manifest)
    return files


def remove_folder(folder: Path, files: Iterable[str]) -> None:
    """Remove files of a folder and the script in it, then the folder if nothing else is there."""
    source = Path(on_device.__file__).parent
    scripts = [folder / SCRIPT / path.name for path in source.glob("*.py")]
    for path in [*scripts, *(folder / file for file in files)]:
        path.unlink(missing_ok=True)
    for place in (folder / SCRIPT, folder):
        with contextlib.suppress(OSError):  # not empty
            place.rmdir()


def _digest(graph: Graph, batch: int, precision: str) -> str:
    """Return a name that only graphs of the same layers, batch size and precision share."""
    key = (graph.layers, batch, precision) if precision == INT8 else (graph.layers, batch)
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _described(graph: Graph, file: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": file}
    if graph.subnet is not None:
        entry["subnet"] = graph.subnet.to_dict(by_name=True)
    else:
        entry["layers"] = [asdict(layer) for layer in graph.layers]
    if graph.profiled:
        entry["n_layers"] = len(graph.layers)
    return entry


def read_manifest(folder: Path, *, max_mb: float | None = None) -> tuple[Family, dict[str, Graph]]:
    """Return the family of a folder and its graphs by their files, the anchor first.

    Args:
        folder: The folder.
        max_mb: As in `read_json`.

    Raises:
        FormatError: If the folder has no manifest of graphs.
        FamilyMismatchError: If its family has a published name but a different table.
    """
    path = folder / MANIFEST
    data = FORMAT.read(path, max_mb=max_mb)
    try:
        family = family_from_json(data["family"], str(path))
        return family, {entry["file"]: _read(entry, family) for entry in data["graphs"]}
    except FamilyMismatchError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"`folder` must have a {MANIFEST}, but {path} cannot be read: {error}"
        ) from error


def _read(entry: dict[str, Any], family: Family) -> Graph:
    profiled = "n_layers" in entry
    if "subnet" in entry:
        subnet = Subnet.from_dict(entry["subnet"], family)
        graph = Graph(subnet_layers(subnet), subnet, profiled)
    else:
        graph = Graph(tuple(map(layer_from_dict, entry["layers"])), None, profiled)
    if not graph.layers or entry.get("n_layers", len(graph.layers)) != len(graph.layers):
        raise ValueError(f"{entry['file']} has {len(graph.layers)} layers")
    return graph

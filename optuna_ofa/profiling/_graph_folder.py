"""Folders of graphs that a device measures."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import optuna_ofa.profiling.on_device as on_device
from optuna_ofa._files import JsonFormat, replacing
from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.profiling.on_device._folder import MANIFEST
from optuna_ofa.profiling.on_device._rounds import Progress
from optuna_ofa.profiling.on_device._runtime import INT8
from optuna_ofa.space import Family, Layer, SearchSpace, Subnet, subnet_layers, subnet_of

FORMAT = JsonFormat("optuna_ofa.graphs", version=1, max_mib=256, argument="folder")
SCRIPT = "on_device"
Write = Callable[[Sequence[Layer], Path, int], None]


class Graph(NamedTuple):
    """One network or layer to measure.

    Args:
        layers: What it consists of.
        subnet: The subnet that it is, None for a layer alone.
        profiled: Whether the times of its layers are wanted.
    """

    layers: tuple[Layer, ...]
    subnet: Subnet | None = None
    profiled: bool = False


def anchor(family: Family) -> Subnet:
    """The subnet that is measured beside all others of a family: the middle of every choice."""
    return subnet_of(family, [gene.choices[len(gene.choices) // 2] for gene in family.genes])


def graphs_of(subnets: Iterable[Subnet], *, profiled: bool = False) -> list[Graph]:
    """A graph for each subnet."""
    return [Graph(subnet_layers(s), s, profiled) for s in subnets]


def write_folder(
    folder: Path,
    graphs: Sequence[Graph],
    *,
    family: Family,
    suffix: str,
    write: Write,
    batch: int,
    precision: str,
    progress: Progress = lambda done, total, seconds_left: None,
) -> None:
    """Write graphs, what they are, and the script that measures them.

    The first graph is the family's anchor. Graphs that are there already are kept, so an
    interrupted export goes on.

    Args:
        folder: Is made where it does not exist.
        graphs: What to measure.
        family: The family of all of them.
        suffix: Ending of the graph files.
        write: Writes the layers of one graph to a path, for so many images at once.
        batch: Images at once.
        precision: What the runtime computes in.
        progress: Called with graphs written, graphs in all, and the seconds that the rest may
            take.

    Raises:
        InvalidArgumentError: If the folder has other graphs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    every = [*graphs_of([anchor(family)]), *graphs]
    manifest: dict[str, Any] = {
        "family": family.name,
        "batch": batch,
        # any other is the runtime's business, not the graph's
        "precision": precision if precision == INT8 else "float32",
        "graphs": [
            _described(graph, f"{_digest(graph, batch, precision)}{suffix}") for graph in every
        ],
    }
    path = folder / MANIFEST
    if path.is_file() and json.loads(path.read_text(encoding="utf-8")) != _json(
        FORMAT.wrap(manifest)
    ):
        raise InvalidArgumentError(
            f"`folder` must be new, or have the same graphs, but {folder} has others."
        )
    start = time.monotonic()
    for i, (graph, entry) in enumerate(zip(every, manifest["graphs"], strict=True), start=1):
        place = folder / entry["file"]
        if not place.is_file():
            with replacing(place) as part:
                write(graph.layers, part, batch)
        progress(i, len(every), (time.monotonic() - start) / i * (len(every) - i))
    source = Path(on_device.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, folder / SCRIPT, ignore=ignored, dirs_exist_ok=True)
    FORMAT.write(path, manifest)


def _digest(graph: Graph, batch: int, precision: str) -> str:
    """A name that only graphs of the same layers, batch size and kind of numbers share."""
    key = (graph.layers, batch, precision) if precision == INT8 else (graph.layers, batch)
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


def _described(graph: Graph, file: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": file}
    if graph.subnet is not None:
        entry["subnet"] = graph.subnet.to_dict()
    else:
        entry["layers"] = [asdict(layer) for layer in graph.layers]
    if graph.profiled:
        entry["n_layers"] = len(graph.layers)
    return entry


def _json(data: Any) -> Any:
    return json.loads(json.dumps(data))


def read_manifest(folder: Path, space: SearchSpace) -> dict[str, Graph]:
    """The graphs of a folder by their files, the anchor first.

    Raises:
        FormatError: If the folder has no manifest of ours, or one of another family.
    """
    path = folder / MANIFEST
    family = space.family
    try:
        data = FORMAT.read(path)
        if data["family"] != family.name:
            raise ValueError(f"it is of {data['family']}")
        return {entry["file"]: _read(entry, family) for entry in data["graphs"]}
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"`folder` must have a {MANIFEST} for {space.family.name}, but {path} cannot be read: "
            f"{error}"
        ) from error


def _read(entry: dict[str, Any], family: Family) -> Graph:
    profiled = "n_layers" in entry
    if "subnet" in entry:
        subnet = Subnet.from_dict(entry["subnet"], family)
        return Graph(subnet_layers(subnet), subnet, profiled)
    return Graph(tuple(Layer(**layer) for layer in entry["layers"]), None, profiled)

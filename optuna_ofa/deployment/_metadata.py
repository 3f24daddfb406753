"""The metadata file beside an export."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import torch

from optuna_ofa._arguments import AnyPath, checked
from optuna_ofa._files import read_json
from optuna_ofa._writing import write_whole
from optuna_ofa.deployment._deployable import Contents, Deployable, Metadata
from optuna_ofa.deployment._figures import KnownValue
from optuna_ofa.deployment._formats import Format
from optuna_ofa.exceptions import FormatError
from optuna_ofa.space import net_config

VERSION = 1


def metadata_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of an export's metadata, which is its own with ``.json`` appended."""
    path = Path(path)
    return path.with_name(f"{path.name}.json")


def build_metadata(
    name: str,
    form: Format,
    deployable: Deployable,
    figures: Sequence[KnownValue],
    calibration: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return all of the metadata but the files."""
    subnet = deployable.subnet
    file = {
        "precision": form.precision,
        "runtimes": form.runtimes,
        "resolution": subnet.resolution,
        "batch": deployable.batch,
    }
    fitting, others = _divided(figures, file)
    needed = [need.module.split(".")[0] for need in form.needs]
    return {
        "optuna_ofa_export": VERSION,
        "format": name,
        "family": subnet.family.to_dict(),
        "subnet": subnet.to_dict(),
        "input": {"shape": deployable.shape, "dtype": "float32"},
        "precision": form.precision,
        "runtimes": form.runtimes,
        "figures": fitting,
        "figures_of_others": others,
        "calibration": calibration,
        "net_config": net_config(subnet),
        "versions": {
            "torch": torch.__version__,
            **{package: packages.version(package) for package in ("optuna-ofa", *needed)},
        },
    }


def _divided(
    figures: Sequence[KnownValue], file: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the values that are of a file, and those that are not, with what is different."""
    fitting, others = [], []
    for figure in figures:
        differs = figure.differences(file)
        if differs:
            others.append({**figure.to_dict(), "differs_in": differs})
        else:
            fitting.append(figure.to_dict())
    return fitting, others


def write_export(path: Path, content: dict[str, Any], made: Contents) -> dict[str, Any]:
    """Write the files, and the metadata with their sizes and SHA-256; return the metadata.

    Raises:
        OSError: If the disk is full, for one; nothing is written then.
    """
    files = {path / name if name else path: data for name, data in made.items()}
    content["files"] = {
        file.relative_to(path.parent).as_posix(): {
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for file, data in files.items()
    }
    text = json.dumps(content, indent=1)
    is_new = path not in files and not path.exists()  # a folder
    if is_new:
        path.mkdir()
    try:
        write_whole({**files, metadata_path(path): text.encode()})
    except OSError:
        if is_new:
            path.rmdir()
        raise
    return dict(json.loads(text))  # as `read_metadata` reads it


@checked
def read_metadata(path: AnyPath) -> Metadata:
    """Read the metadata that `export` wrote beside a network.

    Args:
        path: Path of the export, not of its metadata.

    Raises:
        FormatError: If there is none, or it is no metadata of an export.
    """
    place = metadata_path(path)
    content = read_json(place)
    if not isinstance(content, dict) or content.get("optuna_ofa_export") != VERSION:
        raise FormatError(f"{place} must be written by `export` of version {VERSION}, but is not.")
    return content


def check_files(path: Path, metadata: Metadata) -> None:
    """Raise an error if the files are not those that were exported.

    Raises:
        FormatError: If one has other content, or cannot be read.
    """
    for name, known in metadata["files"].items():
        try:
            found = _hash(path.parent / name)
        except OSError as error:
            raise FormatError(f"`path` must have its files, but: {error}.") from error
        if found != known["sha256"]:
            raise FormatError(
                f"{path.parent / name} must have the SHA-256 {known['sha256']} that "
                f"{metadata_path(path)} says, but has {found}."
            )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

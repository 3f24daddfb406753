"""Writing an export, and the metadata file beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib import metadata as packages
from pathlib import Path
from typing import Any

import torch

from optuna_ofa._writing import write_whole
from optuna_ofa.deployment._deployable import Contents, Deployable
from optuna_ofa.deployment._figures import KnownValue
from optuna_ofa.deployment._formats import Format
from optuna_ofa.space import net_config

VERSION = 1


def metadata_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of an export's metadata: the path of the export with ``.json`` appended."""
    path = Path(path)
    return path.parent / f"{path.name}.json"


def file_name(path: Path, part: str) -> str:
    """Return the name of a file in the metadata: that of the export, plus the part in a folder."""
    return f"{path.name}/{part}" if part else path.name


def build_metadata(
    name: str,
    form: Format,
    deployable: Deployable,
    figures: Sequence[KnownValue],
    calibration: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return the metadata without the files."""
    subnet = deployable.subnet
    file = {
        "precision": form.precision,
        "runtimes": form.runtimes,
        "resolution": subnet.resolution,
        "batch": deployable.batch,
    }
    fitting, others = _divided(figures, file)
    needed = [need.module.split(".")[0].replace("_", "-") for need in form.needs]
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
    """Return the values that apply to a file, and the others with what differs."""
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
        OSError: If writing fails, for example on a full disk; nothing is written then.
    """
    files = {path / part if part else path: data for part, data in made.items()}
    content["files"] = {
        file_name(path, part): {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for part, data in made.items()
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

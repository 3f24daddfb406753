"""Files of the picked subnets, on the pages of their trials."""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.artifacts.exceptions import ArtifactNotFound

from optuna_ofa.dashboard._pending import Pending
from optuna_ofa.deployment import export, figures_of
from optuna_ofa.formats import net_config
from optuna_ofa.fronts import FrontPoint

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore
    from torch import Tensor, nn

    from optuna_ofa.evaluation import Loader
    from optuna_ofa.studies import SubnetStudy
    from optuna_ofa.supernet import Supernet

# An attribute of the study for each file of a trial. Optuna's own is one of the trial, which can't
# be set once the trial has finished; Optuna Dashboard reads this one too.
_PREFIX = "dashboard:artifacts:"
_JSON = (".config", ".json")


class Exports(NamedTuple):
    """How models of picks are made.

    Args:
        net: What they are taken from.
        format: As `optuna_ofa.deployment.export` knows it.
        calibration: Images for the statistics of batch normalisation.
    """

    net: Supernet | nn.Module
    format: str
    calibration: Loader | Tensor | None


def put_artifacts(
    pending: Pending,
    study: SubnetStudy,
    point: FrontPoint,
    trial_id: int,
    store: ArtifactStore,
    exports: Exports | None,
) -> None:
    """Give a trial its files, in place of those that it has by the same names."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.config").write_text(json.dumps(net_config(point.subnet), indent=1))
        if exports is not None:
            path = folder / f"subnet-{point.trial_number}{_ending(exports.format)}"
            export(
                exports.net,
                point.subnet,
                path,
                format=exports.format,
                calibration=exports.calibration,
                figures=figures_of(point),
            )
        kept = {_put(pending, study, trial_id, file, store) for file in _files(folder)}
    for key, meta in _artifacts(pending, trial_id):
        if key not in kept:
            _remove(pending, key, meta, store)


def has_artifacts(pending: Pending, trial_id: int) -> bool:
    """Whether a trial has files from here."""
    return bool(_artifacts(pending, trial_id))


def remove_artifacts(pending: Pending, trial_id: int, store: ArtifactStore) -> None:
    """Take the files of a trial away."""
    for key, meta in _artifacts(pending, trial_id):
        _remove(pending, key, meta, store)


def _ending(format: str) -> str:
    return {
        "pytorch": ".safetensors",
        "torch_export": ".pt2",
        "onnx": ".onnx",
        "onnx_int8": ".int8.onnx",
        "executorch": ".pte",
    }.get(format, "")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _put(
    pending: Pending, study: SubnetStudy, trial_id: int, file: Path, store: ArtifactStore
) -> str:
    """Store a file under an id that only depends on what it is and where it belongs."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    place = f"{study.study_name}/{study._study_id}/{trial_id}/{file.name}/{digest}"
    artifact_id = str(uuid.uuid5(uuid.NAMESPACE_URL, place))
    key = f"{_PREFIX}{trial_id}:{artifact_id}"
    if not isinstance(pending.get(key), str) or json.loads(pending.get(key)) is None:
        with file.open("rb") as content:
            store.write(artifact_id, content)
        kind, encoding = mimetypes.guess_type(file.name)
        kind = "application/json" if file.suffix in _JSON else kind
        meta = {
            "artifact_id": artifact_id,
            "filename": file.name,
            "encoding": encoding,
            "mimetype": kind or "application/octet-stream",
        }
        pending.set(key, json.dumps(meta))
    return key


def _artifacts(pending: Pending, trial_id: int) -> list[tuple[str, dict[str, Any]]]:
    """The files that a trial has from here."""
    keys = [key for key in pending.keys() if key.startswith(f"{_PREFIX}{trial_id}:")]
    found = [(key, json.loads(pending.get(key))) for key in keys]
    return [(key, meta) for key, meta in found if meta is not None]


def _remove(pending: Pending, key: str, meta: dict[str, Any], store: ArtifactStore) -> None:
    with contextlib.suppress(ArtifactNotFound):
        store.remove(meta["artifact_id"])
    pending.set(key, json.dumps(None))  # as Optuna Dashboard does

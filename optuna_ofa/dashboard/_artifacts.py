"""Files of the picked subnets, on the pages of their trials."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import mimetypes
import tempfile
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX, ArtifactMeta
from optuna.artifacts.exceptions import ArtifactNotFound

from optuna_ofa.dashboard._pending import Pending
from optuna_ofa.deployment import export, figures_of
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.problem import TRIAL_ARTIFACTS
from optuna_ofa.space import Configuration, net_config
from optuna_ofa.storage import storage_errors

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore
    from torch import Tensor, nn

    from optuna_ofa.evaluation import Loader
    from optuna_ofa.supernet import Supernet

_JSON = (".config", ".json")
_REPLACED = "replaced.txt"
_ENDINGS = {
    "pytorch": ".safetensors",
    "torch_export": ".pt2",
    "onnx": ".onnx",
    "onnx_int8": ".int8.onnx",
    "executorch": ".pte",
    "litert": ".tflite",
    "litert_int8": ".int8.tflite",
    "c_array": ".h",
}


class Exports(NamedTuple):
    """How models of picks are exported.

    Args:
        net: The source of their weights.
        format: As in `optuna_ofa.deployment.export`.
        calibration: Images for the statistics of batch normalisation.
    """

    net: Supernet | nn.Module
    format: str
    calibration: Loader | Tensor | None


class Artifacts:
    """The files of trials, each stored twice: for the page of its trial, and for its study.

    Optuna does not change finished trials, so `optuna.artifacts.get_all_artifact_meta` finds files
    of the study only. They have ids of their own, because Optuna Dashboard removes the files of a
    study and those of its trials one after the other, and fails if one is already gone.

    Args:
        pending: The attributes of the study.
        store: The store of the files; None leaves existing ones in place.
        exports: How models are exported; None exports none.
    """

    def __init__(
        self, pending: Pending, store: ArtifactStore | None, exports: Exports | None
    ) -> None:
        self._pending, self._store, self._exports = pending, store, exports

    def put(self, point: FrontPoint, trial_id: int) -> None:
        """Give a trial its files, in place of those that it had."""
        if self._store is None:
            return
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if isinstance(point.subnet, Configuration):
                text = json.dumps(point.subnet.to_dict(), indent=1)
                (folder / "configuration.json").write_text(text)
            else:
                (folder / "net.config").write_text(json.dumps(net_config(point.subnet), indent=1))
            if self._exports is not None:
                net, format, calibration = self._exports
                export(
                    net,
                    point.subnet,
                    folder / f"subnet-{point.trial_number}{_ENDINGS.get(format, '')}",
                    format=format,
                    calibration=calibration,
                    figures=figures_of(point),
                )
            files = (path for path in sorted(folder.rglob("*")) if path.is_file())
            kept = {self._write(self._store, file, trial_id, point.trial_number) for file in files}
        self._remove(self._store, trial_id, kept)

    def remove(self, trial_id: int) -> bool:
        """Remove the files of a trial, and return whether it has none left."""
        if self._store is None:
            return not self._files(trial_id)
        self._remove(self._store, trial_id, set())
        return True

    def _write(self, store: ArtifactStore, file: Path, trial_id: int, number: int) -> str:
        """Store a file under ids that depend only on its content and place."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        study = self._pending.store
        place = f"{study.study_name}/{study.study_id}/{trial_id}/{file.name}/{digest}"
        artifact_id = str(uuid.uuid5(uuid.NAMESPACE_URL, place))
        key = f"{TRIAL_ARTIFACTS}{trial_id}:{artifact_id}"
        shared, shared_key = _of_study(artifact_id)
        if key not in self._files(trial_id):
            self._put(store, file, key, artifact_id, file.name)
        if not self._is_live(shared_key):
            self._put(store, file, shared_key, shared, f"trial-{number}-{file.name}")
        return key

    def _put(self, store: ArtifactStore, file: Path, key: str, artifact_id: str, name: str) -> None:
        with file.open("rb") as content:
            store.write(artifact_id, content)
        kind, encoding = mimetypes.guess_type(name)
        kind = "application/json" if file.suffix in _JSON else kind
        self._set(key, artifact_id, name, kind or "application/octet-stream", encoding)

    def _set(self, key: str, artifact_id: str, name: str, kind: str, encoding: str | None) -> None:
        meta = ArtifactMeta(artifact_id, name, kind, encoding)
        self._pending.set(key, json.dumps(asdict(meta)))

    def _is_live(self, key: str) -> bool:
        """Return whether the study has a file that was neither replaced nor removed by others."""
        with storage_errors(self._pending.store.storage):
            meta = json.loads(self._pending.attributes.get(key, "null"))
            return meta is not None and meta["filename"] != _REPLACED

    def _files(self, trial_id: int) -> dict[str, dict[str, Any]]:
        """Return the files of a trial, by their attributes."""
        attributes = self._pending.attributes
        keys = (key for key in attributes if key.startswith(f"{TRIAL_ARTIFACTS}{trial_id}:"))
        with storage_errors(self._pending.store.storage):
            files = {key: json.loads(attributes[key]) for key in keys}
            return {key: {**meta} for key, meta in files.items() if meta is not None}

    def _remove(self, store: ArtifactStore, trial_id: int, kept: set[str]) -> None:
        for key, meta in self._files(trial_id).items():
            if key not in kept:
                artifact_id = str(meta.get("artifact_id"))
                _discard(store, artifact_id)
                self._pending.set(key, json.dumps(None))  # as Optuna Dashboard does
                self._remove_of_study(store, *_of_study(artifact_id))

    def _remove_of_study(self, store: ArtifactStore, artifact_id: str, key: str) -> None:
        """Remove a file of the study.

        Optuna does not read the attributes of a study with an artifact that is None, so where they
        cannot be removed, a line of text takes the place of the file.
        """
        if self._pending.store.removes_attributes:
            _discard(store, artifact_id)
            self._pending.remove(key)
        elif self._is_live(key):
            store.write(artifact_id, io.BytesIO(b"A later call of `publish` has replaced this.\n"))
            self._set(key, artifact_id, _REPLACED, "text/plain", None)


def _of_study(artifact_id: str) -> tuple[str, str]:
    """Return the id and the attribute of a file of a trial as one of the study."""
    shared = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{artifact_id}/study"))
    return shared, f"{ARTIFACTS_ATTR_PREFIX}{shared}"


def _discard(store: ArtifactStore, artifact_id: str) -> None:
    with contextlib.suppress(ArtifactNotFound):
        store.remove(artifact_id)

"""Files of fitted accuracy predictors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna_ofa._files import replacing
from optuna_ofa.exceptions import FamilyMismatchError, FormatError
from optuna_ofa.predictors.accuracy._kinds import read_model
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.space import Family, SearchSpace, get_family, space_of_choices

_FORMAT = "optuna_ofa.accuracy_predictor"
_VERSION = 2
# had ridge models only, which did not say so
_RIDGE_VERSION = 1
_MAX_BYTES = 256 << 20
_KEYS = ("family", "choices", "metadata", "model")


def write_fitted(
    path: str | Path, space: SearchSpace, model: Mapping[str, Any], metadata: Mapping[str, Any]
) -> None:
    """Write a model's numbers as JSON; an existing file is replaced as a whole."""
    data = {
        "format": _FORMAT,
        "version": _VERSION,
        "family": space.family.name,
        "choices": space.choices,
        "metadata": metadata,
        "model": model,
    }
    with replacing(Path(path)) as place:
        place.write_text(json.dumps(data, allow_nan=False) + "\n", encoding="utf-8")


def read_fitted(
    path: Path, family: Family | None
) -> tuple[SearchSpace, AccuracyModel, dict[str, Any]]:
    """Read what `write_fitted` wrote, and version 1 of it.

    Args:
        path: The file.
        family: The family that it must be for; None takes the one that it says.

    Raises:
        FormatError: If it is no such file; with what is wrong.
        FamilyMismatchError: If it is for another family.
    """
    data = _read(path)
    family = _family(path, data["family"], family)
    try:
        space = space_of_choices(family, data["choices"])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"`choices` of {path} must be those of {family.name}, but: {error!r:.300}."
        ) from error
    model = data["model"]
    if data["version"] == _RIDGE_VERSION and isinstance(model, dict):
        model = {**model, "kind": "ridge"}
    try:
        return space, read_model(space, model), dict(data["metadata"])
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise FormatError(f"`metadata` of {path} must be a mapping, but: {error!r}.") from error


def _read(path: Path) -> dict[str, Any]:
    """The JSON object of the file with all keys."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise FormatError(
                f"`path` must be at most {_MAX_BYTES >> 20} MiB, but {path} has {size >> 20}."
            )
        data = json.loads(path.read_text(encoding="utf-8"))
    except FormatError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"`path` must be JSON, but {path} is not: {error}") from error
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        raise FormatError(f"`path` must hold {_FORMAT!r}, but {path} does not.")
    if data.get("version") not in (_RIDGE_VERSION, _VERSION):
        raise FormatError(
            f"`path` must hold {_FORMAT!r} version {_RIDGE_VERSION} or {_VERSION}, but {path} has "
            f"version {data.get('version')!r:.100}; a newer release of optuna_ofa may read it."
        )
    missing = [key for key in _KEYS if key not in data]
    if missing:
        raise FormatError(f"`path` must hold {missing} too, but {path} does not.")
    return data


def _family(path: Path, name: Any, family: Family | None) -> Family:
    if not isinstance(name, str):
        raise FormatError(f"`family` of {path} must be a name, but is {name!r:.100}.")
    if family is not None and family.name != name:
        raise FamilyMismatchError(f"`family` must be {name} for {path}, but got {family.name}.")
    return family or get_family(name)

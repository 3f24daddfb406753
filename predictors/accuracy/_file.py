"""Files of fitted accuracy predictors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import AnyPath
from optuna_ofa._json_format import JsonFormat
from optuna_ofa._parsing import MAX_MB
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._support import Support
from optuna_ofa.predictors.accuracy._kinds import read_model
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.accuracy._prior import ReadPredictor
from optuna_ofa.space import Family, SearchSpace, family_from_json, require_family, restored_space

FORMAT = JsonFormat("optuna_ofa.accuracy_predictor", version=2)
_KEYS = ("family", "choices", "metadata", "model")


def write_fitted(path: AnyPath, content: Mapping[str, Any]) -> None:
    """Write a model's numbers as JSON; an existing file is replaced as a whole."""
    FORMAT.write(Path(path), content)


def content_of(
    space: SearchSpace,
    model: Mapping[str, Any],
    metadata: Mapping[str, Any],
    support: Support | None,
) -> dict[str, Any]:
    """Return what a file holds of a predictor, JSON-ready."""
    content: dict[str, Any] = {
        "family": space.family.to_dict(),
        "choices": space.choices,
        "metadata": metadata,
        "model": model,
    }
    if support is not None:
        content["support"] = support.to_dict()
    return content


def read_fitted(
    path: Path, family: Family | None, read: ReadPredictor, max_mb: float = MAX_MB
) -> tuple[SearchSpace, AccuracyModel, dict[str, Any], Support | None]:
    """Read what `write_fitted` wrote.

    Args:
        path: The file.
        family: The expected family; None takes the one in the file.
        read: Reads the predictor that a model corrects, from its content.
        max_mb: The largest file to read, in megabytes of 10^6 bytes.

    Raises:
        FormatError: If it is not such a file; with the reason.
        FamilyMismatchError: If it is for another family; with the differences.
    """
    return of_content(FORMAT.read(path, max_mb=max_mb), family, str(path), read)


def of_content(
    data: Mapping[str, Any], family: Family | None, path: str, read: ReadPredictor
) -> tuple[SearchSpace, AccuracyModel, dict[str, Any], Support | None]:
    """Read what `content_of` returned; the errors are those of `read_fitted`."""
    missing = [key for key in _KEYS if key not in data]
    if missing:
        raise FormatError(f"`path` must hold {missing} too, but {path} does not.")
    found = family_from_json(data["family"], path)
    if family is not None:
        require_family(found, family, "family", path)
    family = found
    try:
        space = restored_space(family, data["choices"])
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(
            f"`choices` of {path} must be those of {family.name}, but: {error!r:.300}."
        ) from error
    try:
        model = read_model(space, data["model"], read)
        support = Support.from_dict(space, data["support"]) if "support" in data else None
        return space, model, dict(data["metadata"]), support
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"`metadata` of {path} must be a mapping, but: {error!r:.300}."
        ) from error

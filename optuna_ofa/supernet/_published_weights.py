"""Weights by name: what `load_supernet` takes beside the path of a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

from optuna_ofa._downloads import fetch
from optuna_ofa._published import PUBLISHED, PublishedFile
from optuna_ofa._rules import shown
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import Family, family_named, find_family

PUBLISHED_WORD = "published"
_Named = str | os.PathLike[str] | Family


def find_weights(
    weights: str | os.PathLike[str], family: _Named | None
) -> tuple[Path, _Named | None]:
    """Return the path of a checkpoint, and its family where the name of the weights tells it.

    Text means a file of that name where there is one; a `Path` always means a file.

    Args:
        weights: A path, ``"published"``, or the name of published weights.
        family: The family or its name; None if it is in the checkpoint.

    Raises:
        InvalidArgumentError: If ``weights`` means no published supernet, or either a file or the
            published weights.
        FormatError: If it is no file, and close to the name of published weights.
        FamilyMismatchError: If the published weights belong to another family.
        DownloadError: As `optuna_ofa.fetch` does.
    """
    file = _named(weights, family)
    if file is None:
        return Path(weights), family
    (owner,) = file.supernets
    if family is not None and find_family(family, "family") != family_named(owner):
        raise FamilyMismatchError(
            f"`weights` must be of {find_family(family, 'family').name}, but {weights} is of "
            f"{owner}."
        )
    return fetch(file.name, registry=PUBLISHED), owner


def _named(weights: str | os.PathLike[str], family: _Named | None) -> PublishedFile | None:
    """Return the published file that is meant; None for a path."""
    is_file = os.path.lexists(weights)
    if weights == PUBLISHED_WORD:
        if is_file:
            raise InvalidArgumentError(
                f"`weights` must be unambiguous, but {weights!r} is a file here and means the "
                f"published weights of the family, too: './{weights}' means the file."
            )
        return _of_family(family)
    if is_file or not isinstance(weights, str):
        return None
    found = next((f for f in PUBLISHED if f.is_called(weights) and _has_weights(f)), None)
    if found is None:
        _suggest(weights)
    elif not found.supernets:
        raise InvalidArgumentError(
            f"`weights` must be of a supernet, but {weights!r} is a single network; "
            f"optuna_ofa.fetch({weights!r}) returns its path."
        )
    return found


def _of_family(family: _Named | None) -> PublishedFile:
    offered = {f.name: f for f in PUBLISHED if f.kind == "weights" and f.name in f.supernets}
    names = ", ".join(offered)
    if family is None:
        raise InvalidArgumentError(
            f"`family` must be one of {names} where `weights` is {PUBLISHED_WORD!r}, but got None."
        )
    found = find_family(family, "family")
    if found.name not in offered:
        raise InvalidArgumentError(
            f"`weights` must be a path for {shown(found.name)}, which has no published weights; "
            f"{names} have."
        )
    return offered[found.name]


def _has_weights(file: PublishedFile) -> bool:
    return file.kind in ("weights", "network")


def _suggest(weights: str) -> None:
    """Refuse what is close to a name of published weights."""
    names = [PUBLISHED_WORD, *(file.name for file in PUBLISHED if _has_weights(file))]
    end = did_you_mean(weights, names)
    if end != "." and os.sep not in weights:
        raise FormatError(f"`weights` must be a file, but {weights} does not exist{end}")

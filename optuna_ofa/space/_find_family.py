"""Looking up a family by its name, or by a file that holds its table."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import AnyPath, argument_called
from optuna_ofa._files import read_bytes, read_json
from optuna_ofa._rules import shown
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa._tensors import MAX_MB, read_tensors
from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.space._families import family_named, known_families
from optuna_ofa.space._family import Family
from optuna_ofa.space._family_table import family_from_json


def get_family(family: AnyPath) -> Family:
    """Look up a family by its short or published name, or read it from a file.

    Besides the published families (`families`) there are those of pretrained networks and of this
    package: ``ofa_mbv3_fashion``, a `mobilenet_v3_small_images` for the 28x28 greyscale images and
    10 classes of Fashion-MNIST, and ``microcontroller_fashion`` for the same images enlarged;
    ``microcontroller_w0.35``, ``_w0.5``, ``_w0.75`` and ``_w1.0`` are the same network for colour
    images of 48 to 160 pixels and 1,000 classes.

    Args:
        family: The name; or the path of a file written by `Family.save`, or of any other file that
            holds the table of its family: a checkpoint of a supernet or of training, a predictor,
            a latency table, the metadata of an export, a manifest of graphs.

    Raises:
        InvalidArgumentError: If there is no such family and no such file.
        FormatError: If the file holds no family.
        FamilyMismatchError: If it has the name of a published family but another table.
    """
    return find_family(family, "family")


def find_family(source: Any, argument: str) -> Family:
    """Return a family as it is, or what `get_family` returns; ``argument`` is for messages."""
    if isinstance(source, Family):
        return source
    named = family_named(source) if isinstance(source, str) else None
    if named is not None:
        return named
    if isinstance(source, str | os.PathLike) and os.path.isfile(source):
        with argument_called(argument, "family"):
            return _read(Path(source))
    names = [family.name for family in known_families()]
    known = ", ".join(names)
    raise InvalidArgumentError(
        f"`{argument}` must be one of {known}, or a file that holds a family, but got "
        f"{shown(source)}{did_you_mean(source, names)}"
        if isinstance(source, str)
        else f"`{argument}` must be a family, the name of one ({known}) or a file that holds one, "
        f"but got {shown(source)}."
    )


def _read(path: Path) -> Family:
    what = "a file that holds a family"
    is_torch = zipfile.is_zipfile(path) or _is_pickle(path)
    content = read_tensors(path, "family", what) if is_torch else read_json(path, "family")
    if not isinstance(content, dict) or "family" not in content:
        advice = (
            "; the weights of a plain network become a supernet by `supernet_from`, on the command "
            "line by `optuna-ofa supernet-from`"
            if is_torch
            else ""
        )
        raise FormatError(f"`family` must be {what}, but {path} holds none{advice}.")
    return family_from_json(content["family"], str(path))


def _is_pickle(path: Path) -> bool:
    """Whether it is a file that older versions of torch wrote."""
    return read_bytes(path, "family", max_mb=MAX_MB)[:1] == b"\x80"

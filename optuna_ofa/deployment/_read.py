"""Reading an export back: the metadata and each file's hash are checked before it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import AnyPath, checked
from optuna_ofa._files import read_bytes, read_json
from optuna_ofa._parsing import in_a_line
from optuna_ofa.deployment._deployable import Contents, Loaded, Metadata
from optuna_ofa.deployment._first_run import require_logits
from optuna_ofa.deployment._formats import FORMATS, Format
from optuna_ofa.deployment._metadata import VERSION, file_name, metadata_path
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.space import Subnet, family_from_json

MAX_MB = 4096
_SHA256 = re.compile("[0-9a-f]{64}")


@checked
def load_exported(path: AnyPath, *, trust: bool = False) -> Loaded:
    """Load what `export` wrote, in the runtime that it is for, on the CPU.

    Only the file beside the metadata is opened, and only if its size and SHA-256 match the
    metadata. That detects damage, not malice: anyone who can write the file can also write the
    metadata. The network is run, and must give plausible logits. Files of ``"torch_export"``
    may hold Python code, so they need ``trust``. Those of ``"executorch"`` and LiteRT are tried in
    another process first, which takes a few seconds, because a damaged one may crash the process.
    ONNX and weights are read as numbers.

    Args:
        path: The path of the export, with its metadata beside it.
        trust: Whether you trust the author of the file to run any code on this machine. It is
            required for ``"torch_export"``, and skips the trial of ``"executorch"`` and LiteRT.

    Returns:
        A function from images ``(n, channels, height, width)`` to logits ``(n, n_classes)``, for
        LiteRT too, whose files themselves accept NHWC, and integers if they are in 8 bits. For
        ``"pytorch"`` and ``"ofa"`` it is a plain `torch.nn.Module`, as from `Supernet.extract`.

    Raises:
        InvalidArgumentError: If the file may hold code, and ``trust`` is False.
        FormatError: If a file is missing, damaged or not the one that was exported, its extension
            is that of another format, or the metadata is damaged.
        MissingDependencyError: If the runtime is not installed; names the extra.
    """
    path = Path(path)
    metadata = read_metadata(path)
    name, form = metadata["format"], FORMATS[metadata["format"]]
    rule = form.wrong_ending(path)
    if rule is not None:
        raise FormatError(f"`path` must {rule}, as its metadata says {name!r}, but got {path}.")
    if form.runs is not None and not trust:
        raise InvalidArgumentError(
            f"`trust` must be True for {path}, a {name!r} file, because it is loaded by "
            f"{form.runs}: its author must be trusted like that of any program. But got False."
        )
    contents = _read_contents(path, form, metadata["files"])
    subnet = _subnet(metadata, path)
    try:
        if form.tries is not None and not trust:
            form.tries(contents[""], subnet, metadata["input"]["shape"][0] or 1)
        net = form.load(contents, subnet)
        require_logits(net, subnet, metadata["input"]["shape"][0] or 1)
        return net
    except OptunaOFAError:
        raise
    except Exception as error:  # readers of damaged files raise many kinds of errors
        raise FormatError(
            f"`path` must be {name!r} that `export` wrote, but {path} cannot be read: "
            f"{in_a_line(error)[:200]} ({type(error).__name__})."
        ) from error


@checked
def read_metadata(path: AnyPath) -> Metadata:
    """Read the metadata that `export` wrote beside a network.

    Args:
        path: Path of the export, not of its metadata.

    Raises:
        FormatError: If it is missing, or is not the metadata of an export.
    """
    place = metadata_path(path)
    content = read_json(place)
    if not isinstance(content, dict) or content.get("optuna_ofa_export") != VERSION:
        raise FormatError(f"{place} must be written by `export` of version {VERSION}, but is not.")
    try:
        _check(content, Path(path))
    except FormatError:
        raise
    except (OptunaOFAError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{place} must be written by `export`, but is damaged: {in_a_line(error)[:200]}"
        ) from error
    return content


def _check(content: Mapping[str, Any], path: Path) -> None:
    form = FORMATS[content["format"]]
    subnet = _subnet(content, path)
    batch, *shape = content["input"]["shape"]
    size = subnet.resolution
    channels = subnet.family.in_channels
    wanted = [size, size, channels] if form.channels_last else [channels, size, size]
    if shape != wanted or not (batch is None or (type(batch) is int and batch > 0)):
        raise FormatError(
            f"`input` of {metadata_path(path)} must be images of its subnet, but is "
            f"{content['input']!r:.100}."
        )
    files = content["files"]
    names = {file_name(path, part) for part in form.parts or ("",)}
    if not isinstance(files, dict) or files.keys() != names:
        raise FormatError(
            f"`files` of {metadata_path(path)} must be {', '.join(sorted(names))}, but is "
            f"{', '.join(map(str, files)) or 'none':.200}."
        )
    for name, known in files.items():
        n_bytes, digest = known["bytes"], known["sha256"]
        if type(n_bytes) is not int or n_bytes < 0 or not _SHA256.fullmatch(digest):
            raise FormatError(
                f"`files` of {metadata_path(path)} must have the bytes and the SHA-256 of {name}, "
                f"but has {known!r:.200}."
            )


def _subnet(content: Mapping[str, Any], path: Path) -> Subnet:
    family = family_from_json(content["family"], str(metadata_path(path)))
    return Subnet.from_dict(content["subnet"], family)


def _read_contents(path: Path, form: Format, files: Mapping[str, Any]) -> Contents:
    """Return the content of each expected file.

    Raises:
        FormatError: If one is missing, not a regular file, or not the one that was exported.
    """
    contents = {}
    for part in form.parts or ("",):
        file, known = path / part if part else path, files[file_name(path, part)]
        content = read_bytes(file, max_mb=MAX_MB)
        found = hashlib.sha256(content).hexdigest()
        if len(content) != known["bytes"] or found != known["sha256"]:
            raise FormatError(
                f"{file} must have the SHA-256 {known['sha256']} that {metadata_path(path)} says, "
                f"but has {found}."
            )
        contents[part] = content
    return contents

"""Reading files: regular ones only, opened once, and not larger than expected."""

from __future__ import annotations

import os
import stat
from os import PathLike
from typing import Any

from optuna_ofa._parsing import MAX_MB, in_a_line, parse_json
from optuna_ofa.exceptions import FormatError

# a pipe without a writer would block the process when it is opened
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY"))


def read_bytes(
    path: str | PathLike[str], argument: str = "path", *, max_mb: float | None = None
) -> bytes:
    """Return the content of a regular file.

    The file is opened once, so another one cannot take its place between the checks and the
    reading; nothing is read from pipes, devices and so on.

    Args:
        path: The file.
        argument: Name of the caller's argument that error messages begin with.
        max_mb: The largest size to accept, in megabytes of 10^6 bytes; None if the caller has no
            such argument, which the message would name: 64.

    Raises:
        FormatError: If it is missing, not a regular file, too large, or cannot be read.
    """
    rule = f"`{argument}` must be a file"
    try:
        with open(path, "rb", opener=_open) as file:
            size = _size(os.fstat(file.fileno()), max_mb)
            content = file.read(size + 1)
    except FileNotFoundError as error:
        raise FormatError(f"{rule}, but {path} does not exist.") from error
    except IsADirectoryError as error:
        raise FormatError(f"{rule}, but {path} is a folder.") from error
    except _NotRead as error:
        raise FormatError(f"{rule}{error.rule}, but {path} is {error}.") from None
    except (OSError, ValueError) as error:
        raise FormatError(f"{rule}, but it cannot be read: {in_a_line(error)}.") from error
    if content is None or len(content) != size:
        raise FormatError(f"{rule}, but {path} changes while it is read.")
    return content


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)


class _NotRead(Exception):
    """A file that is not read; the message says what it is."""

    def __init__(self, found: str, rule: str = "") -> None:
        super().__init__(found)
        self.rule = rule


def _size(status: os.stat_result, max_mb: float | None) -> int:
    """Return the size in bytes of a regular file that is not too large."""
    if not stat.S_ISREG(status.st_mode):
        raise _NotRead("a pipe or a device")
    most = MAX_MB if max_mb is None else max_mb
    if status.st_size > most * 1e6:
        rule = f" of at most {most:g} MB{'' if max_mb is None else ' (`max_mb`)'}"
        raise _NotRead(f"one of {status.st_size / 1e6:.4g} MB", rule)
    return status.st_size


def read_text(
    path: str | PathLike[str], argument: str = "path", *, max_mb: float | None = None
) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Args:
        path: The file.
        argument: As in `read_bytes`.
        max_mb: As in `read_bytes`.

    Raises:
        FormatError: As `read_bytes`, or if it is not text.
    """
    try:
        text = read_bytes(path, argument, max_mb=max_mb).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"`{argument}` must be a text file in UTF-8, but {path} is not: {error}."
        ) from error
    if "\0" in text:
        raise FormatError(f"`{argument}` must be a text file, but {path} has null characters.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(
    path: str | PathLike[str], argument: str = "path", *, max_mb: float | None = None
) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        argument: As in `read_bytes`.
        max_mb: As in `read_bytes`.

    Raises:
        FormatError: As `read_text`, or if it is not JSON within the limits of `parse_json`.
    """
    text = read_text(path, argument, max_mb=max_mb)
    return parse_json(text, path, argument, max_mb=max_mb or MAX_MB)

"""Reading text and JSON, versioned JSON formats, and arrays in JSON."""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import FormatError

MAX_MIB = 256  # of a text file


def read_bytes(
    path: str | PathLike[str], argument: str = "path", *, max_bytes: int = MAX_MIB << 20
) -> bytes:
    """Return the content of a regular file; pipes, devices and so on are not opened.

    Args:
        path: The file.
        argument: Name of the caller's argument that error messages begin with.
        max_bytes: The largest size to accept.

    Raises:
        FormatError: If it is missing, not a regular file, too large, or cannot be read.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise FormatError(f"`{argument}` must be a file, but {path} is a folder.")
        if not stat.S_ISREG(status.st_mode):
            raise FormatError(f"`{argument}` must be a file, but {path} is a pipe or a device.")
        if status.st_size > max_bytes:
            raise FormatError(
                f"`{argument}` must be at most {max_bytes / 2**20:g} MiB, but {path} has "
                f"{status.st_size / 2**20:.3g} MiB."
            )
        return Path(path).read_bytes()
    except FormatError:
        raise
    except FileNotFoundError as error:
        raise FormatError(f"`{argument}` must be a file, but {path} does not exist.") from error
    except (OSError, ValueError) as error:
        raise FormatError(
            f"`{argument}` must be a file, but it cannot be read: {in_a_line(error)}."
        ) from error


def read_text(path: str | PathLike[str], argument: str = "path") -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark.

    Args:
        path: The file.
        argument: As in `read_bytes`.

    Raises:
        FormatError: As `read_bytes`, or if it is not text.
    """
    try:
        text = read_bytes(path, argument).decode("utf-8-sig")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"`{argument}` must be a text file in UTF-8, but {path} is not: {error}."
        ) from error


def in_a_line(error: Exception) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())


def read_json(path: str | PathLike[str], argument: str = "path") -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        argument: As in `read_text`.

    Raises:
        FormatError: As `read_text`, or if it is not JSON.
    """
    try:
        return json.loads(read_text(path, argument))
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"`{argument}` must be JSON, but {path} is not: {error}.") from error


@dataclass(frozen=True)
class JsonFormat:
    """A format of JSON files: an object that begins with the format's name and version.

    Args:
        name: Value of ``"format"`` in the files.
        version: Value of ``"version"``; files of other versions are refused.
        max_mib: Largest size of a file in MiB.
        argument: Name of the caller's argument that error messages begin with.
    """

    name: str
    version: int
    max_mib: int = 64
    argument: str = "path"

    def wrap(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object of a file: the name, the version and the content."""
        return {"format": self.name, "version": self.version, **content}

    def write(self, path: Path, content: Mapping[str, Any], indent: int | None = None) -> None:
        """Write a file; an existing one is replaced as a whole.

        Raises:
            FormatError: If ``content`` is not JSON, for example has a number that is not finite;
                nothing is written.
        """
        try:
            text = json.dumps(self.wrap(content), indent=indent, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise FormatError(
                f"{path} must hold JSON, with finite numbers only, but its content is not: {error}"
            ) from error
        write_whole({path: f"{text}\n".encode()})

    def read(self, path: Path) -> dict[str, Any]:
        """Return the object of a file.

        Raises:
            FormatError: If the file is missing, too large, not JSON, or of another format or
                version.
        """
        self.check_size(path)
        return self.check(read_json(path, self.argument), path)

    def check_size(self, path: Path) -> None:
        """Refuse a file that is too large to be of this format.

        Raises:
            FormatError: With its size.
        """
        size = path.stat().st_size if os.path.isfile(path) else 0
        if size > self.max_mib << 20:
            raise FormatError(
                f"`{self.argument}` must be at most {self.max_mib} MiB, but {path} has "
                f"{size >> 20} MiB."
            )

    def check(self, data: Any, path: Path) -> dict[str, Any]:
        """Return ``data`` if it is an object of this format.

        Args:
            data: Content of a file.
            path: The file, for the message.

        Raises:
            FormatError: If it is something else, or of another version.
        """
        if not isinstance(data, dict) or data.get("format") != self.name:
            raise FormatError(f"`{self.argument}` must hold {self.name!r}, but {path} does not.")
        if data.get("version") != self.version:
            raise FormatError(
                f"`{self.argument}` must hold {self.name!r} version {self.version}, but {path} "
                f"has version {data.get('version')!r:.100}; another release of optuna_ofa may "
                f"read it."
            )
        return data


def encode_array(array: NDArray[Any]) -> dict[str, Any]:
    """Return ``dtype``, ``shape`` and the little-endian bytes in base64."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(little.tobytes()).decode("ascii"),
    }


def decode_array(
    data: Mapping[str, Any], name: str, dtype: DTypeLike, shape: tuple[int | None, ...]
) -> NDArray[Any]:
    """Read what `encode_array` wrote.

    Args:
        data: The mapping with the array.
        name: Its key in the mapping.
        dtype: The type that it must have.
        shape: The shape that it must have; None means any length.

    Raises:
        FormatError: If it is missing, has another type or shape, or has non-finite numbers.
    """
    dtype = np.dtype(dtype)
    try:
        entry = data[name]
        found = tuple(int(n) for n in entry["shape"])
        content = base64.b64decode(entry["base64"], validate=True)
        same_type = entry["dtype"] == dtype.name
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise FormatError(f"`{name}` must be an array, but: {error!r:.300}.") from error
    fits = len(found) == len(shape) and all(
        n >= 0 and m in (None, n) for n, m in zip(found, shape, strict=True)
    )
    n_bytes = dtype.itemsize
    for n in found:
        n_bytes *= n
    if not (same_type and fits and n_bytes == len(content)):
        raise FormatError(
            f"`{name}` must be {dtype.name} of shape {shape} (None: any), but is "
            f"{entry['dtype']} of shape {found} with {len(content)} bytes."
        )
    array = np.frombuffer(content, dtype.newbyteorder("<")).reshape(found).astype(dtype)
    if not np.isfinite(array).all():
        raise FormatError(f"`{name}` must have finite numbers only.")
    return array

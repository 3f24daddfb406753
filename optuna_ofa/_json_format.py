"""Versioned formats of JSON files, and arrays in JSON."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from optuna_ofa._files import read_json
from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import FormatError


@dataclass(frozen=True)
class JsonFormat:
    """A format of JSON files: an object that begins with the format's name and version.

    Args:
        name: Value of ``"format"`` in the files.
        version: Value of ``"version"``; files of other versions are refused.
        argument: Name of the caller's argument that error messages begin with.
    """

    name: str
    version: int
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

    def read(self, path: Path, *, max_mb: float | None = None) -> dict[str, Any]:
        """Return the object of a file.

        Args:
            path: The file.
            max_mb: As in `read_json`.

        Raises:
            FormatError: If the file cannot be read, is too large, not JSON, or of another format
                or version.
        """
        return self.check(read_json(path, self.argument, max_mb=max_mb), path)

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
    if not (same_type and fits and math.prod(found) * dtype.itemsize == len(content)):
        raise FormatError(
            f"`{name}` must be {dtype.name} of shape {shape} (None: any), but is "
            f"{entry['dtype']} of shape {found} with {len(content)} bytes."
        )
    array = np.frombuffer(content, dtype.newbyteorder("<")).reshape(found).astype(dtype)
    if not np.isfinite(array).all():
        raise FormatError(f"`{name}` must have finite numbers only.")
    return array

"""Writing files that are seen whole or not at all."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from optuna_ofa.exceptions import FormatError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside ``path`` to write to, which takes its place when the block ends.

    Where the block fails, nothing of it stays, and a file that was at ``path`` does.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def encode_array(array: NDArray[Any]) -> dict[str, Any]:
    """``dtype``, ``shape`` and the little-endian bytes in base64."""
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
        data: The mapping that has the array.
        name: Its key there.
        dtype: What it must have.
        shape: What it must have; None is any length.

    Raises:
        FormatError: If it is missing, has another type or shape, or numbers that are not finite.
    """
    dtype = np.dtype(dtype)
    try:
        entry = data[name]
        found = tuple(int(n) for n in entry["shape"])
        content = base64.b64decode(entry["base64"], validate=True)
        same_type = entry["dtype"] == dtype.name
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise FormatError(f"`{name}` must be an array, but: {error!r}.") from error
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

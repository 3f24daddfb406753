"""The idx format of the MNIST family of data sets."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import FormatError

_UNSIGNED_BYTE = 0x08


def read_bytes(path: Path) -> bytes:
    """The content of a file, decompressed where it is gzip.

    Raises:
        FormatError: If the compressed file is cut off or damaged.
    """
    content = path.read_bytes()
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"`root` must hold whole files, but {path} is damaged: {error}"
        ) from error


def parse_idx(content: bytes, path: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """An array of unsigned bytes.

    The format (``README`` of MNIST): two zero bytes, the type of the numbers, the number of
    dimensions; the length of each dimension as a big-endian 32-bit integer; the numbers.

    Args:
        content: What is in the file.
        path: The file, for the messages.
        n_dimensions: Dimensions that the array must have.

    Raises:
        FormatError: If it is another format, or there are fewer or more numbers than it says.
    """
    header = bytes([0, 0, _UNSIGNED_BYTE, n_dimensions])
    start = 4 + 4 * n_dimensions
    if content[:4] != header or len(content) < start:
        raise FormatError(
            f"`root` must hold idx files; {path} must begin with the bytes {header.hex(' ')}, but "
            f"begins with {content[:4].hex(' ') or 'none'}."
        )
    shape = struct.unpack(f">{n_dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise FormatError(
            f"`root` must hold whole files, but {path} has {len(content) - start} numbers where "
            f"its shape {shape} needs {math.prod(shape)}."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

"""Images in a ``.npy`` file, for commands that calibrate."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_MAX_MB = 4000


def read_images(file: str, argument: str) -> Tensor:
    """Read the images of a file.

    Args:
        file: The .npy file.
        argument: Name of the argument in messages.

    Raises:
        FormatError: If the file cannot be read.
        InvalidArgumentError: If the file does not contain an array of images.
    """
    import numpy as np
    import torch

    from optuna_ofa._files import read_bytes
    from optuna_ofa.exceptions import InvalidArgumentError

    content = read_bytes(file, argument, max_mb=_MAX_MB)
    try:
        array = _array(content)
    except Exception as error:  # damaged headers raise many kinds of errors
        raise InvalidArgumentError(
            f"`{argument}` must be a .npy file with numbers, but got {file}."
        ) from error
    if array.ndim != 4:
        raise InvalidArgumentError(
            f"`{argument}` must have four axes (n, channels, height, width), but has {array.shape}."
        )
    return torch.from_numpy(array.astype(np.float32))


def _array(content: bytes) -> NDArray[Any]:
    """Return the array of a .npy file; nothing is allocated by the numbers of its header."""
    import numpy as np
    from numpy.lib import format as npy

    file = io.BytesIO(content)
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.kind not in "fiu" or min(shape, default=0) < 0:
        raise ValueError(f"it is {dtype} of shape {shape}")
    numbers = np.frombuffer(content, dtype, offset=file.tell())
    return numbers.reshape(shape, order="F" if is_fortran else "C")

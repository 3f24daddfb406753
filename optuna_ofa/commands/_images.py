"""Images in files, for commands that calibrate or measure accuracies."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

NO_IMAGES = "none"
_MAX_MB = 4000


def read_calibration(file: str) -> Tensor | None:
    """Read the images of ``--calibration``; None where it is ``none``.

    Raises:
        FormatError: If the file cannot be read.
        InvalidArgumentError: If the file does not contain an array of images.
    """
    return None if file == NO_IMAGES else read_images(file, "calibration")


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
    return torch.from_numpy(_checked(array, argument).astype(np.float32))


def read_labelled(file: str, argument: str) -> tuple[Tensor, Tensor]:
    """Read the images and the labels of a file.

    Args:
        file: The .npz file.
        argument: Name of the argument in messages.

    Raises:
        FormatError: If the file cannot be read.
        InvalidArgumentError: If the file does not contain images and a label for each.
    """
    import numpy as np
    import torch

    from optuna_ofa._files import read_bytes
    from optuna_ofa.exceptions import InvalidArgumentError

    content = read_bytes(file, argument, max_mb=_MAX_MB)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            images, labels = (_array(_member(archive, name)) for name in ("images", "labels"))
    except Exception as error:
        raise InvalidArgumentError(
            f"`{argument}` must be a .npz file with the arrays 'images' and 'labels', but got "
            f"{file}."
        ) from error
    images = _checked(images, argument)
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu" or not len(labels):
        raise InvalidArgumentError(
            f"`{argument}` must have whole numbers 'labels', one for each of the {len(images)} "
            f"images, but they are {labels.dtype} of shape {labels.shape}."
        )
    return (torch.from_numpy(images.astype(np.float32)), torch.from_numpy(labels.astype(np.int64)))


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return an array of a .npz file, unless it unpacks to too much."""
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > _MAX_MB * 1_000_000:
        raise ValueError(f"{name} has {info.file_size} bytes")
    return archive.read(info)


def _checked(images: NDArray[Any], argument: str) -> NDArray[Any]:
    from optuna_ofa.exceptions import InvalidArgumentError

    if images.ndim != 4:
        raise InvalidArgumentError(
            f"`{argument}` must have four axes (n, channels, height, width), but has "
            f"{images.shape}."
        )
    return images


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

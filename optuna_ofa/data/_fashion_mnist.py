"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 28x28 greyscale images of clothes."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Positive, checked
from optuna_ofa._downloads import fetch
from optuna_ofa._files import read_bytes
from optuna_ofa._torch import torch
from optuna_ofa.exceptions import DownloadError, FormatError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import TensorDataset

    ImageBatch = tuple[Tensor, Tensor]

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
# of the decompressed files, because Debian and the authors compress them differently
_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
# of all pixels of the training images, from 0 to 1
MEAN, STD = 0.2860, 0.3530


class ImageData(NamedTuple):
    """Images and class indices for training and for testing.

    Args:
        train: Pairs of an image, ``(1, 28, 28)`` float32, and its class, int64.
        test: Pairs like those of ``train``.
    """

    train: TensorDataset
    test: TensorDataset


@checked
def halves(
    data: TensorDataset, batch_size: Positive = 100
) -> tuple[list[ImageBatch], list[ImageBatch]]:
    """Return every other image, in batches: one half to search with, one to measure the results.

    Subnets chosen by their accuracy on some images have too high an accuracy on those images.

    Args:
        data: Images and class indices.
        batch_size: Images of a batch.
    """
    images, labels = data.tensors
    first, second = (
        [
            (images[i : i + 2 * batch_size : 2], labels[i : i + 2 * batch_size : 2])
            for i in range(half, len(images), 2 * batch_size)
        ]
        for half in range(2)
    )
    return first, second


@checked
def fashion_mnist(
    root: str | os.PathLike[str] | None = None, *, progress: bool | None = None
) -> ImageData:
    """Return Fashion-MNIST, its pixels with mean 0 and variance 1 over the training images.

    Args:
        root: Folder with the four files as published, compressed or not. None takes those of the
            Debian package ``dataset-fashion-mnist`` if it is installed, and otherwise downloads
            them once (30 MB) to the cache folder.
        progress: Whether to show a progress bar; None shows it on a terminal only.

    Returns:
        60,000 images to train on and 10,000 to test on. `packaged_images` has some of them without
        a download.

    Raises:
        FormatError: If ``root`` lacks a file, or one is damaged or not the one that was published.
        DownloadError: If the files must be downloaded and cannot be.
    """
    folder = _folder(progress) if root is None else Path(root)
    return ImageData(_read(folder, "train"), _read(folder, "t10k"))


def _folder(progress: bool | None) -> Path:
    if DEBIAN.is_dir():
        return DEBIAN
    try:
        return fetch("fashion_mnist", progress=progress)
    except DownloadError as error:
        raise DownloadError(
            f"Fashion-MNIST is not here: {error}; on Debian and Ubuntu, apt install "
            f"dataset-fashion-mnist puts the files at {DEBIAN}; `root` takes any other folder"
        ) from error


def _read(folder: Path, part: str) -> TensorDataset:
    images = _array(folder, f"{part}-images-idx3-ubyte", 3)
    labels = _array(folder, f"{part}-labels-idx1-ubyte", 1)
    return normalized(images, labels)


def normalized(images: Tensor, labels: Tensor) -> TensorDataset:
    """Return ``(n, size, size)`` and ``(n,)`` unsigned bytes as images and class indices."""
    pixels = images[:, None].float().div_(255).sub_(MEAN).div_(STD)
    return torch.utils.data.TensorDataset(pixels, labels.long())


def _array(folder: Path, name: str, n_dimensions: int) -> Tensor:
    compressed = folder / f"{name}.gz"
    path = compressed if os.path.isfile(compressed) else folder / name
    if not os.path.isfile(path):
        raise FormatError(
            f"`root` must have the file {name} or {name}.gz, but {folder} has neither."
        )
    content = unpacked(path)
    array = parse_idx(content, path, n_dimensions)
    if hashlib.sha256(content).hexdigest() != _SHA256[name]:
        raise FormatError(
            f"`root` must hold Fashion-MNIST, but what is in {path} is not what was published "
            f"(its decompressed content has another SHA-256)."
        )
    return torch.tensor(array)


_UNSIGNED_BYTE = 0x08
_LARGEST = 64 << 20  # bytes; the training images are 45 MiB


def unpacked(path: Path) -> bytes:
    """Return the content of a file, decompressed where it is gzip.

    Raises:
        FormatError: If it is not a regular file or too large, or the compressed file is cut off or
            damaged.
    """
    content = read_bytes(path, "root")
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            found = file.read(_LARGEST + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(
            f"`root` must hold whole files, but {path} is damaged: {error}"
        ) from error
    if len(found) > _LARGEST:
        raise FormatError(f"`root` must hold Fashion-MNIST, but {path} has too many numbers.")
    return found


def parse_idx(content: bytes, path: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """Return an array of unsigned bytes.

    The format (``README`` of MNIST): two zero bytes, the type of the numbers, the number of
    dimensions; the length of each dimension as a big-endian 32-bit integer; the numbers.

    Args:
        content: The content of the file.
        path: The file, for the messages.
        n_dimensions: Dimensions that the array must have.

    Raises:
        FormatError: If the format differs, or the number of values does not match the header.
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

"""1,000 ImageNet images, one of each class: some to calibrate with, the others to test on."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

PIXELS = 224


class Samples(NamedTuple):
    """Images ``(n, 3, 224, 224)`` in bytes, and their classes, in a random order.

    The names of the files begin with the synsets, whose order is that of the classes.
    """

    pixels: Tensor
    labels: Tensor

    def batches(self, first: int, every: int = 1, size: int = 70) -> list[tuple[Tensor, Tensor]]:
        """Normalised batches of each ``every``-th image from a first one on."""
        parts = (tensor[first::every].split(size) for tensor in self)
        return [(normalised(pixels), labels) for pixels, labels in zip(*parts, strict=True)]

    def calibration(self, n: int) -> Tensor:
        """The first images, normalised."""
        return normalised(self.pixels[:n])


def read_samples(path: Path) -> Samples:
    """Read ``imagenet_samples_256.zip``: the centres of its images, always in the same order."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        images = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    pixels = torch.from_numpy(np.stack([_centre(image) for image in images])).movedim(3, 1)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(names)))
    return Samples(pixels[order], order)


def normalised(pixels: Tensor) -> Tensor:
    """Return images as EfficientNet-Lite reads them."""
    return (pixels.float() - 127) / 128


def _centre(image: Image.Image) -> np.ndarray:
    left, top = (image.width - PIXELS) // 2, (image.height - PIXELS) // 2
    return np.asarray(image.crop((left, top, left + PIXELS, top + PIXELS)))

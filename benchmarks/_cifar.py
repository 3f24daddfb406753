"""CIFAR-10 from the two Parquet files of JPEG images, and who may see which of them.

The first 45,000 training images of a fixed order are for training, the first 300 of those for
recalibration as well; the other 5,000 are for fitting predictors, and the test images for
everything that is reported.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

N_TRAINED, N_CALIBRATION, BATCH, MOST_SHIFT = 45_000, 300, 64, 3
Batches = list[tuple[Tensor, Tensor]]


class Cifar:
    """The images of both files, as bytes until they are used.

    Args:
        folder: Folder of the files.
        mean: Mean of a channel in pixel values from 0 to 255, for all or for each.
        scale: What values are divided by after that.
    """

    def __init__(self, folder: Path, mean: Sequence[float], scale: Sequence[float]) -> None:
        self._mean, self._scale = (torch.tensor(v).view(1, -1, 1, 1) for v in (mean, scale))
        order = torch.from_numpy(np.random.default_rng(0).permutation(50_000))
        images, labels = _read(folder / "cifar10_jpeg_train.parquet")
        self._trained = TensorDataset(images[order[:N_TRAINED]], labels[order[:N_TRAINED]])
        self._fitted = TensorDataset(images[order[N_TRAINED:]], labels[order[N_TRAINED:]])
        order = torch.from_numpy(np.random.default_rng(1).permutation(10_000))
        images, labels = _read(folder / "cifar10_jpeg_test.parquet")
        self._tested = TensorDataset(images[order], labels[order])

    def training(self) -> DataLoader[tuple[Tensor, ...]]:
        """Shuffled batches, half of the images mirrored, all moved by up to three pixels."""
        return DataLoader(
            self._trained, BATCH, shuffle=True, drop_last=True, collate_fn=self._augmented
        )

    def calibration(self) -> Tensor:
        """The images for recalibration."""
        return self._normalised(self._trained.tensors[0][:N_CALIBRATION])

    def fitting(self, n: int) -> Batches:
        """Images that training has not seen, for predictors."""
        return self._batches(self._fitted, n)

    def test(self, n: int) -> Batches:
        """Test images."""
        return self._batches(self._tested, n)

    def _batches(self, data: TensorDataset, n: int) -> Batches:
        images, labels = (tensor[:n] for tensor in data.tensors)
        return list(zip(self._normalised(images).split(250), labels.split(250), strict=True))

    def _augmented(self, items: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images = torch.stack([image for image, _ in items])
        mirrored = torch.rand(len(images)) < 0.5
        images[mirrored] = images[mirrored].flip(-1)
        down, right = torch.randint(-MOST_SHIFT, MOST_SHIFT + 1, (2,)).tolist()
        labels = torch.stack([label for _, label in items])
        return self._normalised(images.roll((down, right), (-2, -1))), labels

    def _normalised(self, images: Tensor) -> Tensor:
        return (images.float() - self._mean) / self._scale


def _read(path: Path) -> tuple[Tensor, Tensor]:
    """Images ``(n, 3, 32, 32)`` in bytes, and labels ``(n,)``; kept beside the script's runs."""
    import pandas  # the engine for Parquet is not among the development dependencies

    table = pandas.read_parquet(path, columns=["image", "label"])
    pixels = [np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")) for jpeg in table["image"]]
    return torch.from_numpy(np.stack(pixels)).movedim(3, 1), torch.tensor(table["label"].to_list())

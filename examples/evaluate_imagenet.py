"""Evaluate subnets of a published supernet on ImageNet, and fit an accuracy predictor to them.

The images are in one folder per class, whose sorted names give the order of the classes in the
classifier, as with ImageNet's own (n01440764, n01443537, ...). As published, an image is resized so
that its shorter side has resolution / 0.875 pixels and cropped in the centre; the statistics of
batch normalisation come from 2,000 training images, processed in the same way. Needs Pillow.

Every accuracy is stored in a database: run it again, with more subnets, to continue.

    python examples/evaluate_imagenet.py published imagenet/train imagenet/val
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace, Subnet

FAMILY = "ofa_mbv3_w1.0"
RESOLUTIONS = (160, 192, 224)
N_SUBNETS = 20
BATCH_SIZE = 100
CROP = 0.875
MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


class ImageFolder(Dataset[tuple[Tensor, int]]):
    """Images in folders, one per class.

    Args:
        root: The folder of folders.
        resolution: Pixels of the crop.
        n: How many images, drawn at random with a fixed seed; None is all of them, in order.
    """

    def __init__(self, root: Path, resolution: int, n: int | None = None) -> None:
        classes = sorted(folder for folder in root.iterdir() if folder.is_dir())
        self._images = [
            (path, label) for label, c in enumerate(classes) for path in sorted(c.iterdir())
        ]
        if n is not None:
            order = np.random.default_rng(0).permutation(len(self._images))[:n]
            self._images = [self._images[i] for i in order]
        self._resolution = resolution

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self._images[index]
        with Image.open(path) as image:
            pixels = np.array(self.crop(image.convert("RGB"), self._resolution))
        return (torch.from_numpy(pixels).permute(2, 0, 1) / 255 - MEAN) / STD, label

    def crop(self, image: Image.Image, resolution: int) -> Image.Image:
        """The network's input for an image."""
        return cropped(image, resolution)


def cropped(image: Image.Image, resolution: int) -> Image.Image:
    """The centre of an image whose shorter side is a little longer than the crop."""
    scale = math.ceil(resolution / CROP) / min(image.size)
    width, height = (max(resolution, round(side * scale)) for side in image.size)
    left, top = (width - resolution) // 2, (height - resolution) // 2
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + resolution, top + resolution))


def load(root: Path, n: int | None, n_workers: int, resolution: int) -> DataLoader[Tensor]:
    """Batches at a resolution; `evaluate` calls it for the resolutions of the subnets."""
    images = ImageFolder(root, resolution, n)
    return DataLoader(images, batch_size=BATCH_SIZE, num_workers=n_workers)


def spread(space: SearchSpace, n: int) -> list[Subnet]:
    """The smallest, the largest, and random subnets of every size."""
    drawn = space.sample(max(0, n - 2), seed=0, uniform_over="sizes")
    return [space.smallest(), space.largest(), *space.from_matrix(drawn)]


def main() -> None:
    """Evaluate, print, and fit."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", help="checkpoint of the supernet, or `published` to download it")
    parser.add_argument("train", type=Path, help="folder of training images")
    parser.add_argument("val", type=Path, help="folder of validation images")
    parser.add_argument("--data", default="imagenet", help="a label in the database")
    parser.add_argument("--storage", default="sqlite:///imagenet.db")
    parser.add_argument("--subnets", type=int, default=N_SUBNETS)
    parser.add_argument("--calibration", type=int, default=2000, help="training images")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=4, help="processes that read images")
    arguments = parser.parse_args()

    supernet = optuna_ofa.load_supernet(FAMILY, weights=arguments.weights)
    space = SearchSpace(FAMILY, resolution=RESOLUTIONS)
    found = optuna_ofa.evaluate(
        supernet,
        spread(space, arguments.subnets),
        partial(load, arguments.val, None, arguments.workers),
        optuna_ofa.EvaluationSettings(
            calibration=partial(load, arguments.train, arguments.calibration, arguments.workers),
            n_calibration=arguments.calibration,
            data=arguments.data,
            device=arguments.device,
        ),
        storage=arguments.storage,
    )
    for subnet, top1, std in zip(
        space.from_matrix(found.matrix), found.top1, found.top1_std, strict=True
    ):
        print(f"{top1:6.2f} +- {std:.2f} %  {subnet}")

    # from the database, which includes earlier evaluations
    rows = optuna_ofa.read_measurements(arguments.storage, space, metric="top1", setup=found.setup)
    predictor = AccuracyPredictor.fit(
        space, [row.subnet for row in rows], [row.value for row in rows], metadata=found.setup
    )
    predictor.save("imagenet.accuracy.json")
    print(f"imagenet.accuracy.json predicts accuracies; it was fitted to {len(rows)} subnets.")


if __name__ == "__main__":
    main()

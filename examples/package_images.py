"""Write the packaged images, a part of Fashion-MNIST, beside the small supernet.

    python examples/package_images.py optuna_ofa/data

The weights were fitted to all training images, and the accuracy predictor to the test images
0, 2, 4, ... (`package_fashion.py`). So the test images of the package are some of 1, 3, 5, ...
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from optuna_ofa.data import fashion_mnist

FILE = "ofa_mbv3_fashion.images.npz"
N_CLASSES, N_TRAIN, N_TEST = 10, 50, 200  # images of each class
ABOUT = {
    "source": "Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist",
    "license": "MIT, Copyright (c) 2017 Zalando SE",
    "weights_fitted_on": "all 60,000 training images",
    "accuracy_predictor_fitted_on": "test images 0, 2, 4, ...",
    "train": "the first 50 training images of each class, to recalibrate batch normalisation",
    "test": "the first 200 of each class among the test images 1, 3, 5, ..., to measure with",
}


def first_of_each_class(
    data: TensorDataset, among: NDArray[np.int64], n: int
) -> dict[str, NDArray[np.generic]]:
    """The first ``n`` images of each class, their classes, and their positions."""
    images, labels = (tensor.numpy() for tensor in data.tensors)
    of_class = (among[labels[among] == c][:n] for c in range(N_CLASSES))
    index = np.sort(np.concatenate(list(of_class)))
    darkest, brightest = images.min(), images.max()  # 0 and 255 before they were normalised
    pixels = (images[index, 0] - darkest) / (brightest - darkest) * 255
    return {
        "images": pixels.round().astype(np.uint8),
        "labels": labels[index].astype(np.uint8),
        "index": index.astype(np.uint16),
    }


def main() -> None:
    """Choose images and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to")
    path = parser.parse_args().folder / FILE
    data = fashion_mnist()
    parts = {
        "train": first_of_each_class(data.train, np.arange(len(data.train)), N_TRAIN),
        "test": first_of_each_class(data.test, np.arange(1, len(data.test), 2), N_TEST),
    }
    arrays = {f"{part}_{name}": array for part, of in parts.items() for name, array in of.items()}
    np.savez_compressed(path, metadata=np.array(json.dumps(ABOUT)), **arrays)
    print(f"wrote {path}: {N_CLASSES * N_TRAIN:,} training and {N_CLASSES * N_TEST:,} test images")


if __name__ == "__main__":
    main()

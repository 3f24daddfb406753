"""Pick a subnet of a published supernet for a latency, and fine-tune it on ImageNet.

    python examples/fine_tune_imagenet.py published imagenet/train imagenet/val

The subnet is the best predicted one under a latency limit on a packaged table of a CPU. It is
evaluated before and after, with batch normalisation recalibrated, and written as a plain network
with its `net.config`. Training images are random crops, half of them mirrored, as published; the
image folders and centre crops are as in `evaluate_imagenet.py`. Needs Pillow. If it is interrupted,
run it again to continue.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import torch
from evaluate_imagenet import BATCH_SIZE, FAMILY, ImageFolder, load
from PIL import Image
from torch.utils.data import DataLoader

import optuna_ofa
from optuna_ofa import Subnet, Supernet
from optuna_ofa.deployment import export
from optuna_ofa.training import FineTuning, TrainingSettings, train

N_EVALUATIONS = 2_000
AREAS, RATIOS = (0.08, 1.0), (3 / 4, 4 / 3)  # of a random crop, as shares of the image


class RandomCrops(ImageFolder):
    """Images in folders, each cropped at random whenever it is read."""

    def crop(self, image: Image.Image, resolution: int) -> Image.Image:
        """A random crop of random aspect ratio, mirrored half of the time."""
        random = torch.rand(5).tolist()
        area = image.width * image.height * (AREAS[0] + random[0] * (AREAS[1] - AREAS[0]))
        ratio = np.exp(np.log(RATIOS[0]) + random[1] * np.log(RATIOS[1] / RATIOS[0]))
        width = min(image.width, max(1, round(np.sqrt(area * ratio))))
        height = min(image.height, max(1, round(np.sqrt(area / ratio))))
        left = int(random[2] * (image.width - width + 1))
        top = int(random[3] * (image.height - height + 1))
        box = (left, top, left + width, top + height)
        part = image.resize((resolution, resolution), Image.Resampling.BILINEAR, box=box)
        return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random[4] < 0.5 else part


def pick(latency_ms: float) -> Subnet:
    """The most accurate subnet under a latency limit, by the packaged predictors."""
    study = optuna_ofa.study(FAMILY, seed=0)
    study.search(N_EVALUATIONS)
    point = study.front().best(latency_ms=latency_ms)
    print(point)
    return point.subnet


def main() -> None:
    """Pick, evaluate, train, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", help="checkpoint of the supernet, or `published` to download it")
    parser.add_argument("train", type=Path, help="folder of training images")
    parser.add_argument("val", type=Path, help="folder of validation images")
    parser.add_argument("--latency-ms", type=float, default=12.0)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=BATCH_SIZE)
    parser.add_argument("--learning-rate", type=float, default=0.005)
    parser.add_argument("--calibration", type=int, default=2_000, help="training images")
    parser.add_argument("--out", type=Path, default=Path("tuned"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=4, help="processes that read images")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    subnet = pick(arguments.latency_ms)
    supernet = optuna_ofa.load_supernet(FAMILY, weights=arguments.weights).to(arguments.device)
    calibration = partial(load, arguments.train, arguments.calibration, arguments.workers)

    def top1(net: Supernet) -> str:
        found = optuna_ofa.evaluate(
            net,
            subnet,
            partial(load, arguments.val, None, arguments.workers),
            optuna_ofa.EvaluationSettings(
                calibration=calibration,
                n_calibration=arguments.calibration,
                device=arguments.device,
            ),
        )
        return f"{found.top1[0]:.2f} +- {found.top1_std[0]:.2f} %"

    print(f"before: {top1(supernet)}")
    loader = DataLoader(
        RandomCrops(arguments.train, subnet.resolution),
        arguments.batch,
        shuffle=True,
        drop_last=True,
        num_workers=arguments.workers,
    )
    train(
        supernet,
        loader,
        recipe=FineTuning(
            subnet=subnet, n_steps=arguments.steps, learning_rate=arguments.learning_rate
        ),
        settings=TrainingSettings(label_smoothing=0.1),
        checkpoint=arguments.out.with_suffix(".checkpoint"),
    )
    print(f"after:  {top1(supernet)}")
    export(supernet, subnet, arguments.out, format="ofa", calibration=calibration)
    print(f"The subnet in the format of the package ofa: {arguments.out}")


if __name__ == "__main__":
    main()

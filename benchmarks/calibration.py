"""How accurate subnets are by the number of images that their statistics are recalibrated on.

A small supernet is trained briefly on Fashion-MNIST (the largest, the smallest and a random subnet
in each step), or read from a checkpoint. Prints top-1 on test images with the supernet's own
statistics, with those of another resolution, and with recalibrated ones, over several draws of
training images; then how much the size of a calibration batch changes.

    python benchmarks/calibration.py
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _head import print_head
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import (
    EvaluationSettings,
    SearchSpace,
    Subnet,
    Supernet,
    evaluate,
    load_supernet,
    save_supernet,
)
from optuna_ofa.data import fashion_mnist
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.space import mobilenet_v3_small_images
from optuna_ofa.supernet import resize_images

FAMILY = mobilenet_v3_small_images("fashion", n_classes=10, in_channels=1, width=0.5)
N_CALIBRATION = (16, 64, 500, 2000)
BATCH_SIZES = (25, 100, 500, 2000)
LEARNING_RATE = 0.1
BATCH = 64


def train(supernet: Supernet, images: Tensor, labels: Tensor, n_steps: int) -> None:
    """The largest, the smallest and a random subnet in each step, at resolutions drawn for each."""
    space = SearchSpace(supernet.family)
    optimizer = torch.optim.SGD(supernet.parameters(), lr=LEARNING_RATE, momentum=0.9)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    drawn = space.from_matrix(space.sample(n_steps, seed=0))
    for step, subnet in enumerate(drawn):
        rows = order[torch.arange(step * BATCH, (step + 1) * BATCH) % len(order)]
        optimizer.zero_grad()
        for trained in (space.largest(), space.smallest(), subnet):
            supernet.activate(trained)
            x = resize_images(images[rows], trained.resolution)
            logits = supernet(x.contiguous(memory_format=torch.channels_last))
            F.cross_entropy(logits, labels[rows]).backward()
        optimizer.step()
        schedule.step()


def mean_top1(
    supernet: Supernet, subnets: list[Subnet], test: DataLoader, draws: list[Tensor | None]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over draws of calibration images, a subnet each, in percent."""
    runs = [
        evaluate(
            supernet, subnets, test, EvaluationSettings(calibration=images), progress=False
        ).top1
        for images in draws
    ]
    return np.mean(runs, axis=0), np.std(runs, axis=0, ddof=min(1, len(runs) - 1))


def top1_of_net(
    supernet: Supernet, subnet: Subnet, test: DataLoader, images: Tensor, batch_size: int
) -> float:
    """Top-1 after recalibration on images of any size, at any batch size."""
    net = supernet.extract(subnet).eval()
    recalibrate(net, images, batch_size=batch_size)
    right = 0
    with torch.inference_mode():
        for x, y in test:
            right += int((net(resize_images(x, subnet.resolution)).argmax(1) == y).sum())
    return 100 * right / len(test.dataset)  # type: ignore[arg-type]


def report(name: str, mean: np.ndarray, std: np.ndarray | None = None) -> None:
    """One line of the table."""
    cells = [
        f"{m:6.2f}" if std is None else f"{m:6.2f} +- {s:4.2f}"
        for m, s in zip(mean, mean if std is None else std, strict=True)
    ]
    print(f"{name:34s}" + "  ".join(f"{cell:>14s}" for cell in cells), flush=True)


def main() -> None:
    """Train or load, then evaluate with more and more images."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, help="a checkpoint; made where there is none")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--test-images", type=int, default=5000)
    parser.add_argument("--draws", type=int, default=4)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print_head()
    torch.manual_seed(0)

    data = fashion_mnist()
    images, labels = data.train.tensors
    begin = time.process_time()
    if arguments.weights is not None and arguments.weights.is_file():
        supernet = load_supernet(FAMILY, weights=arguments.weights)
    else:
        supernet = Supernet(FAMILY).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        train(supernet, images, labels, arguments.steps)
        print(f"trained for {arguments.steps} steps, {time.process_time() - begin:.0f} CPU-seconds")
        if arguments.weights is not None:
            save_supernet(supernet, arguments.weights)

    space = SearchSpace(FAMILY)
    named = {"largest": space.largest(), "smallest": space.smallest()}
    named |= {f"random@{s.resolution}": s for s in space.from_matrix(space.sample(2, seed=7))}
    subnets = list(named.values())
    part = TensorDataset(*(t[: arguments.test_images] for t in data.test.tensors))
    test = DataLoader(part, batch_size=250)
    rng = torch.Generator().manual_seed(1)
    draws = [
        images[torch.randperm(len(images), generator=rng)[: N_CALIBRATION[-1]]]
        for _ in range(arguments.draws)
    ]

    print(f"top-1 on {arguments.test_images} test images, percent; +- over {arguments.draws} draws")
    print(" " * 34 + "  ".join(f"{name:>14s}" for name in named))
    report("the supernet's statistics", *mean_top1(supernet, subnets, test, [None]))
    other = [
        max(FAMILY.resolutions)
        if s.resolution == min(FAMILY.resolutions)
        else min(FAMILY.resolutions)
        for s in subnets
    ]
    report(
        "2000 images of another resolution",
        np.array(
            [
                top1_of_net(supernet, s, test, resize_images(draws[0], r), 100)
                for s, r in zip(subnets, other, strict=True)
            ]
        ),
    )
    for n in N_CALIBRATION:
        report(f"{n} images", *mean_top1(supernet, subnets, test, [d[:n] for d in draws]))
    for size in BATCH_SIZES:
        report(
            f"2000 images in batches of {size}",
            np.array(
                [
                    top1_of_net(supernet, s, test, resize_images(draws[0], s.resolution), size)
                    for s in subnets
                ]
            ),
        )
    begin = time.process_time()
    for subnet in subnets:
        recalibrate(supernet.extract(subnet), resize_images(draws[0][:500], subnet.resolution))
    seconds = (time.process_time() - begin) / len(subnets)
    print(f"recalibrating on 500 images: {seconds:.2f} CPU-seconds a subnet")


if __name__ == "__main__":
    main()

"""Evaluate a supernet trained on Fashion-MNIST, and write the files that are packaged.

    python examples/train_supernet.py --recipe sandwich --steps 6000 --out runs/fashion.pth
    python examples/package_fashion.py runs/fashion.pth optuna_ofa/data
    python examples/package_images.py optuna_ofa/data
    python -m optuna_ofa profile --supernet ofa_mbv3_fashion --runtime torch \
        --out optuna_ofa/data/ofa_mbv3_fashion.cpu-torch.latency.json

The family is that of the file; `--half` packages the weights in half precision, and evaluates them
as they are then:

    torchrun --nproc-per-node 2 examples/train_supernet.py --family microcontroller_fashion \
        --steps 2400 --out runs/microcontroller.pth
    python examples/package_fashion.py runs/microcontroller.pth optuna_ofa/data --half

Subnets of every size are evaluated on one half of the test images, and an accuracy predictor is
fitted to them; the other half is for verifying what a search finds, and 2,000 of its images are
packaged. Prints the numbers for `optuna_ofa/data/README.md`.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace, load_supernet, save_supernet
from optuna_ofa.data import fashion_mnist, halves
from optuna_ofa.predictors import CostPredictor, kendall_tau

N_SUBNETS, N_HELD_OUT = 600, 100
N_CALIBRATION = 1_000
Z_90 = 1.645  # half width of a 90 % interval in standard deviations

Vector = NDArray[np.float64]


def held_out(space: SearchSpace, matrix: NDArray[np.int16], top1: Vector) -> dict[str, float]:
    """Score predictions of held-out subnets, beside multiply-adds.

    A score that is undefined for so few subnets, such as Kendall's tau of equal values, is left
    out.
    """
    order = np.random.default_rng(0).permutation(len(matrix))
    n_test = min(N_HELD_OUT, len(matrix) // 3)
    test, train = order[:n_test], order[n_test:]
    predictor = AccuracyPredictor.fit(space, matrix[train], top1[train])
    predicted, std = predictor.predict(matrix[test]), predictor.predict_std(matrix[test])
    assert std is not None
    macs = CostPredictor("n_macs", space).predict(matrix[test])
    errors = predicted - top1[test]
    scores = {
        "tau": kendall_tau(predicted, top1[test]),
        "rmse": float(np.sqrt(np.mean(errors**2))),
        "coverage_90": float(np.mean(np.abs(errors) < Z_90 * std)),
        "macs_tau": kendall_tau(macs, top1[test]),
    }
    return {name: score for name, score in scores.items() if np.isfinite(score)}


def main() -> None:
    """Evaluate, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, help="the trained supernet")
    parser.add_argument("folder", type=Path, help="where to")
    parser.add_argument("--subnets", type=int, default=N_SUBNETS)
    parser.add_argument("--images", type=int, default=5_000, help="images of each half")
    parser.add_argument("--half", action="store_true", help="weights in half precision")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    supernet = load_supernet(arguments.weights)
    if arguments.half:
        supernet.half().float()
    space = SearchSpace(supernet.family)
    data = fashion_mnist()
    calibration, _ = data.train[:N_CALIBRATION]
    images, labels = data.test[: 2 * arguments.images]
    search_half, measure_half = halves(TensorDataset(images, labels))

    ends = space.to_matrix([space.smallest(), space.largest()])
    matrix = np.concatenate([ends, space.sample(arguments.subnets, seed=0, uniform_over="sizes")])
    _, first = np.unique(matrix, axis=0, return_index=True)  # small ones are drawn repeatedly
    matrix = matrix[np.sort(first)]
    settings = optuna_ofa.EvaluationSettings(
        calibration=calibration, n_calibration=N_CALIBRATION, processes=arguments.processes
    )
    storage = f"sqlite:///{arguments.weights.with_suffix('.db')}"  # an interrupted run continues
    found = optuna_ofa.evaluate(supernet, matrix, search_half, settings, storage=storage)
    again = optuna_ofa.evaluate(supernet, matrix[:50], measure_half, settings, storage=storage)
    print(
        f"{len(found)} subnets on {int(found.n_images[0]):,} images: smallest "
        f"{found.top1[0]:.2f} %, largest {found.top1[1]:.2f} %, all {found.top1.min():.2f} to "
        f"{found.top1.max():.2f} %"
    )
    print(
        f"on the other half: smallest {again.top1[0]:.2f} %, largest {again.top1[1]:.2f} %; "
        f"Kendall tau of both halves {kendall_tau(found.top1[:50], again.top1):.3f}"
    )
    scores = held_out(space, found.matrix, found.top1)
    print(f"held-out subnets: {scores}")

    stem = arguments.folder / space.family.name
    metadata = {
        "n_images": int(found.n_images[0]),
        "fitted_on": "test images 0, 2, 4, ...",
        "held_out": {"splits": [scores]},
        **found.setup,
    }
    predictor = AccuracyPredictor.fit(space, found.matrix, found.top1, metadata=metadata)
    predictor.save(f"{stem}.accuracy.json")
    save_supernet(supernet.half() if arguments.half else supernet, f"{stem}.pth")
    with open(f"{stem}.measured.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*(gene.name for gene in space.genes), "top1", "top5", "n_images"])
        for genes, *numbers in zip(
            found.matrix.tolist(), found.top1, found.top5, found.n_images, strict=True
        ):
            rows.writerow([*genes, *(f"{number:g}" for number in numbers)])
    print(f"wrote {stem}.pth, .accuracy.json and .measured.csv")


if __name__ == "__main__":
    main()

"""Fit the packaged accuracy predictor of MobileNetV3 w1.0 to published measurements.

The measurements are CSV files of IntelLabs/DyNAS-T (Apache-2.0), folder ``notebooks/data`` at the
commit below; their subnets were evaluated on ImageNet at 224 pixels. Only the coefficients of a
ridge regression are saved; a Gaussian process is better, but its file contains the rows. Prints
scores on held-out subnets.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.costs import LayerSum, layer_macs
from optuna_ofa.predictors import kendall_tau
from optuna_ofa.space import read_measured_subnets

FAMILY = "ofa_mbv3_w1.0"
RESOLUTION = 224
SOURCE = {
    "repository": "https://github.com/IntelLabs/DyNAS-T",
    "commit": "251cb5e0083077522eb554691f480ba750e63246",
    "path": "notebooks/data",
    "license": "Apache-2.0",
}
# held-out errors barely change below it, and grow above it
PENALTY = 0.01
N_SPLITS = 5
TRAIN_SHARE = 0.7
Z_90 = 1.645  # half width of a 90 % interval in standard deviations

Matrix = NDArray[np.int16]
Indices = NDArray[np.int64]
Vector = NDArray[np.float64]


def read(folder: Path, space: SearchSpace) -> tuple[Matrix, Vector]:
    """Genotypes and accuracies of all rows of all CSV files of a folder."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise SystemExit(f"{folder} has no CSV files")
    tables = [read_measured_subnets(file, space.family) for file in files]
    matrix = np.concatenate([space.to_matrix(table.subnets) for table in tables])
    return matrix, np.concatenate([table.top1 for table in tables])


def merge(matrix: Matrix, top1: Vector) -> tuple[Matrix, Vector, float]:
    """Different subnets, their mean accuracies, and the standard deviation of repeats."""
    unique, group, counts = np.unique(matrix, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(group, top1) / counts
    noise = np.sqrt(np.sum((top1 - means[group]) ** 2) / (len(top1) - len(unique)))
    return unique, means, float(noise)


def scores(predicted: Vector, measured: Vector) -> dict[str, float]:
    """Rank correlation, and error in points."""
    rmse = np.sqrt(np.mean((predicted - measured) ** 2))
    return {"tau": kendall_tau(predicted, measured), "rmse": float(rmse)}


def least_squares(x: Vector, y: Vector, penalty: float) -> Vector:
    """Coefficients of centred ridge regression."""
    x = x - x.mean(axis=0)
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (y - y.mean()))


def baseline(features: Vector, top1: Vector, train: Indices, test: Indices) -> dict[str, float]:
    """Scores of ridge regression on other features."""
    x, y = features[train], top1[train]
    predicted = y.mean() + (features[test] - x.mean(axis=0)) @ least_squares(x, y, PENALTY)
    return scores(predicted, top1[test])


def fit(
    space: SearchSpace, matrix: Matrix, top1: Vector, metadata: dict[str, Any] | None = None
) -> AccuracyPredictor:
    """The model that is packaged."""
    return AccuracyPredictor.fit(
        space, matrix, top1, model="ridge", penalty=PENALTY, metadata=metadata
    )


def evaluate(space: SearchSpace, matrix: Matrix, top1: Vector, seed: int) -> dict[str, Any]:
    """Scores on held-out subnets, of the predictor and of simpler models."""
    order = np.random.default_rng(seed).permutation(len(matrix))
    train, test = np.split(order, [int(TRAIN_SHARE * len(order))])
    predictor = fit(space, matrix[train], top1[train])
    predicted, std = predictor.predict(matrix[test]), predictor.predict_std(matrix[test])
    assert std is not None  # only published networks have none
    macs = np.log(LayerSum(space, lambda layer, _: layer_macs(layer))(matrix))[:, None]
    one_hot = np.concatenate([column[:, None] == np.unique(column) for column in matrix.T], axis=1)
    return {
        **scores(predicted, top1[test]),
        "coverage_90": float(np.mean(np.abs(predicted - top1[test]) < Z_90 * std)),
        "one_hot": baseline(one_hot.astype(float), top1, train, test),
        "macs": baseline(macs, top1, train, test),
    }


def main() -> None:
    """Print held-out scores, then fit to everything and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with the CSV files")
    parser.add_argument("output", type=Path, nargs="?", default=Path(f"{FAMILY}.accuracy.json"))
    arguments = parser.parse_args()

    space = SearchSpace(FAMILY, resolution=RESOLUTION)
    rows, row_top1 = read(arguments.folder, space)
    matrix, top1, noise = merge(rows, row_top1)
    print(f"{len(rows)} rows, {len(matrix)} different subnets, repeats have a std of {noise:.3f}")

    splits = [evaluate(space, matrix, top1, seed) for seed in range(N_SPLITS)]
    for seed, split in enumerate(splits):
        others = ", ".join(
            f"{name} {split[name]['tau']:.3f} / {split[name]['rmse']:.3f}"
            for name in ("one_hot", "macs")
        )
        print(
            f"split {seed}: tau {split['tau']:.4f}, RMSE {split['rmse']:.4f} points, "
            f"in the 90 % interval {split['coverage_90']:.1%}; {others}"
        )

    metadata = {
        "source": SOURCE,
        "n_rows": len(rows),
        "n_subnets": len(matrix),
        "measured_top1_range": [float(top1.min()), float(top1.max())],
        "repeat_std": noise,
        "penalty": PENALTY,
        "held_out": {"train_share": TRAIN_SHARE, "splits": splits},
    }
    predictor = fit(space, matrix, top1, metadata)
    predictor.save(arguments.output)
    ends = predictor.predict(space.to_matrix([space.smallest(), space.largest()]))
    random = predictor.predict(space.sample(10_000, seed=0))
    print(
        f"measured {top1.min():.2f}..{top1.max():.2f} %, predicted: smallest {ends[0]:.2f}, "
        f"largest {ends[1]:.2f}, random {random.min():.2f}..{random.max():.2f}"
    )


if __name__ == "__main__":
    main()

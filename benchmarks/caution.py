"""Searching on a lower confidence bound: what the found subnets really are.

    python benchmarks/caution.py --fitted 50 --seeds 3

For each seed a predictor is fitted to some of the packaged accuracies of the trained Fashion-MNIST
supernet. The same search then runs on its mean and on bounds of one and two standard deviations,
and subnets spread along each front are evaluated through the supernet on images that nothing was
fitted to. Printed are the hypervolume that was promised (by the mean) and the one that was
measured, and by how much the mean was too high. Latencies are those of the packaged table of torch.
Evaluations are kept in a database: killed and started again, it goes on.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
import optuna
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.data import fashion_mnist, halves, packaged_accuracies, packaged_supernet
from optuna_ofa.fronts._pareto import hypervolume
from optuna_ofa.problem import METRICS

FAMILY = "ofa_mbv3_fashion"
CAUTIONS = (0.0, 1.0, 2.0)
REFERENCE = {"top1": 89.0, "latency_ms": 3.0}
N_EVALUATIONS, N_CALIBRATION = 5_000, 1_000


def main() -> None:
    """Fit, search, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fitted", type=int, default=50, help="accuracies that are known")
    parser.add_argument("--picks", type=int, default=10, help="subnets of a front")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("runs/caution"))
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    print("caution  seed  promised  measured  mean too high (points)")
    by_caution: dict[float, list[float]] = {caution: [] for caution in CAUTIONS}
    for seed in range(arguments.seeds):
        predictor = fitted(arguments.fitted, seed)
        for caution in CAUTIONS:
            matrix, latency = found(predictor, caution, arguments.picks, seed)
            mean, top1 = predictor.predict(matrix), measured(matrix, arguments.folder)
            promised, real = (volume(column, latency) for column in (mean, top1))
            by_caution[caution].append(real)
            print(
                f"{caution:7.1f} {seed:5} {promised:9.3f} {real:9.3f} {np.mean(mean - top1):10.3f}",
                flush=True,
            )
    for caution, values in by_caution.items():
        print(
            f"caution {caution:.1f}: measured hypervolume {statistics.mean(values):.3f} "
            f"({min(values):.3f} to {max(values):.3f})"
        )


def fitted(n: int, seed: int) -> AccuracyPredictor:
    """A predictor that knows the ends and ``n - 2`` other subnets."""
    matrix, top1 = packaged_accuracies()
    drawn = 2 + np.random.default_rng(seed).permutation(len(matrix) - 2)[: n - 2]
    rows = np.r_[0, 1, drawn]
    return AccuracyPredictor.fit(SearchSpace(FAMILY), matrix[rows], top1[rows])


def found(
    predictor: AccuracyPredictor, caution: float, n: int, seed: int
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Subnets spread along the front of a search, and their latencies."""
    study = optuna_ofa.study(FAMILY, accuracy=predictor, caution=caution, seed=seed)
    study.search(N_EVALUATIONS, progress=False)
    front = study.front()
    points = [front[i] for i in np.unique(np.linspace(0, len(front) - 1, n).round().astype(int))]
    latency = np.array([point.values["latency_ms"] for point in points])
    return study.space.to_matrix([point.subnet for point in points]), latency


def measured(matrix: NDArray[np.int16], folder: Path) -> NDArray[np.float64]:
    """Top-1 on the half of the test images that the accuracies are not from."""
    data = fashion_mnist()
    return optuna_ofa.evaluate(
        packaged_supernet(),
        matrix,
        halves(data.test)[1],
        optuna_ofa.EvaluationSettings(
            calibration=data.train[:N_CALIBRATION][0],
            n_calibration=N_CALIBRATION,
            data="fashion-mnist",
        ),
        storage=f"sqlite:///{folder / 'measured.db'}",
        progress=False,
    ).top1


def volume(top1: NDArray[np.float64], latency: NDArray[np.float64]) -> float:
    """Hypervolume in points x ms."""
    return hypervolume(np.column_stack([top1, latency]), REFERENCE, METRICS)


if __name__ == "__main__":
    main()

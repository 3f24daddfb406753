"""Asking for what to measure: by predictions as they are, and corrected by what was measured.

    python benchmarks/learning.py --folder runs/learning
    python benchmarks/learning.py --paper --folder runs/learning

For each seed one study searches on the packaged predictors, and subnets are asked for in batches
and measured, once without and once with ``learn=True``. Printed is the hypervolume of what was
measured, in points x ms, after some numbers of measurements, the best accuracy and the least
latency beside it, since a front has two ends.

Accuracies of the trained Fashion-MNIST supernet are measured through its weights, on the half of
the test images that its predictor was not fitted to, and kept in a database, so that both ways see
the same and the script can be stopped and started again; latencies are those of the table. With
``--paper`` no network runs: the truth of MobileNetV3 w1.0 is what the packaged predictors say, and
errors that change smoothly from subnet to subnet, of another kind for each seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
from _head import print_head
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import EvaluationSettings, SearchSpace, SubnetStudy
from optuna_ofa.data import fashion_mnist, halves, packaged_supernet
from optuna_ofa.fronts._pareto import hypervolume

Values = NDArray[np.float64]
Truth = Callable[[SubnetStudy, NDArray[np.int16]], Values]
N_EVALUATIONS, N_CALIBRATION = 5_000, 1_000
REFERENCES = {
    "ofa_mbv3_fashion": {"top1": 89.0, "latency_ms": 3.0},
    "ofa_mbv3_w1.0": {"top1": 71.0, "latency_ms": 50.0},
}
# standard deviations of the errors with --paper: points, and the share of a latency
TOP1_ERROR, LATENCY_ERROR = 0.4, 0.05


def main() -> None:
    """Measure both ways for each seed, and print."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    family = "ofa_mbv3_w1.0" if arguments.paper else "ofa_mbv3_fashion"
    budgets = sorted(arguments.measurements)
    print(f"{family}, batches of {arguments.batch}")
    print(f"seed learn{''.join(f'{n:>8}' for n in budgets)}   best top1   least ms")
    volumes: dict[bool, list[list[float]]] = {False: [], True: []}
    for seed in arguments.seeds:
        truth = (
            made_up(SearchSpace(family), seed) if arguments.paper else measured(arguments.folder)
        )
        for learn, rows in volumes.items():
            study = optuna_ofa.study(family, seed=seed, learn=learn)
            values = ask(study, truth, arguments.batch, budgets[-1])
            reference, metrics = REFERENCES[family], study.problem.objective_metrics
            rows.append([hypervolume(values[:n], reference, metrics) for n in budgets])
            ends = f"{values[:, 0].max():12.2f}{values[:, 1].min():11.3f}"
            print(f"{seed:4} {learn!s:5}{_cells(rows[-1])}{ends}", flush=True)
    for learn, rows in volumes.items():
        print(f"mean {learn!s:5}{_cells(np.mean(rows, axis=0).tolist())}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--paper", action="store_true", help="MobileNetV3 w1.0, made-up errors")
    parser.add_argument("--measurements", type=int, nargs="+", default=[6, 12, 18, 24])
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    return parser.parse_args()


def _cells(volumes: list[float]) -> str:
    return "".join(f"{volume:8.3f}" for volume in volumes)


def ask(study: SubnetStudy, truth: Truth, batch: int, n: int) -> Values:
    """Search, then ask and tell; the values of ``n`` subnets in the order of asking."""
    study.search(N_EVALUATIONS, progress=False)
    values = np.empty((0, 2))
    while len(values) < n:
        asked = study.ask_batch(min(batch, n - len(values)))
        new = truth(study, study.space.to_matrix([one.subnet for one in asked]))
        study.tell_batch(asked, new.tolist())
        values = np.concatenate([values, new])
    return values


def measured(folder: Path) -> Truth:
    """Accuracies through the packaged weights, latencies of the table."""
    supernet, data = packaged_supernet(), fashion_mnist()
    images = halves(data.test)[1]
    settings = EvaluationSettings(
        calibration=data.train[:N_CALIBRATION][0], n_calibration=N_CALIBRATION, data="fashion-mnist"
    )
    storage = f"sqlite:///{folder / 'measured.db'}"

    def truth(study: SubnetStudy, matrix: NDArray[np.int16]) -> Values:
        found = optuna_ofa.evaluate(
            supernet, matrix, images, settings, storage=storage, progress=False
        )
        return np.column_stack([found.top1, study.problem.evaluate(matrix).values[:, 1]])

    return truth


def made_up(space: SearchSpace, seed: int) -> Truth:
    """What is predicted, with smooth errors: one of accuracies, one of latencies."""
    rng = np.random.default_rng(seed)
    choices = np.array([[min(c), max(c)] for c in space.choices.values()], dtype=float)
    low, span = choices[:, 0], np.maximum(np.ptp(choices, axis=1), 1)
    waves = rng.normal(0, 0.3, (2, len(span), 200)), rng.uniform(0, 2 * np.pi, (2, 200))

    def error(which: int, matrix: NDArray[np.int16]) -> Values:
        angles = (matrix - low) / span @ waves[0][which] + waves[1][which]
        return np.cos(angles).sum(axis=1) / np.sqrt(angles.shape[1] / 2)

    def truth(study: SubnetStudy, matrix: NDArray[np.int16]) -> Values:
        top1, latency = study.problem.evaluate(matrix).values.T
        slower = np.exp(LATENCY_ERROR * error(1, matrix))
        return np.column_stack([top1 + TOP1_ERROR * error(0, matrix), latency * slower])

    return truth


if __name__ == "__main__":
    main()

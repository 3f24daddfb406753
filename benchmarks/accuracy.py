"""Predicting ImageNet accuracies of subnets that were not fitted to.

    python benchmarks/accuracy.py --data ../shared/data

Fits each model to some measured subnets of MobileNetV3 w1.0 and predicts others: random ones, and
the best fifth after a fit to the rest. Rows of one subnet are averaged first, so that no subnet is
on both sides. Prints Kendall's tau / RMSE in points, and how many measurements are in 90 %
intervals. Then whole resolutions and searches that were left out, of 128 to 224 pixels. Then which
subnets to measure, with the Gaussian process: chosen among the measured ones, and drawn from a
whole space whose accuracies a published predictor makes up.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _accuracy_drawn import DRAWS, Drawn
from _accuracy_left_out import KINDS, compare_left_out
from _accuracy_rivals import RIVALS, Fit, Fitted, Vector
from _accuracy_spread import SPREADS
from _head import print_head

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import kendall_tau
from optuna_ofa.predictors._rows import MeasuredRows, measured_rows
from optuna_ofa.space import read_measured_subnets

FAMILY, RESOLUTION = "ofa_mbv3_w1.0", 224
FOLDER = "ofa_mbv3_w1.0_measured"
RANDOM_SIZES = (100, 200, 500, 1_000)
TOP_SIZES = (200, 1_000)
SPREAD_SIZES = (50, 100, 200)
TOP_SHARE = 0.2
N_HELD_OUT = 336  # for the spreads; the others are the pool
Z_90 = 1.645  # half width of a 90 % interval in standard deviations
N_PREDICTED = 20_000


class Score(NamedTuple):
    """Of one fit: rank correlation, error in points, share in the 90 % interval, CPU-seconds."""

    tau: float
    rmse: float
    coverage: float
    seconds: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--spread-repeats", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=list(RIVALS), choices=list(RIVALS))
    parser.add_argument("--left-out", nargs="*", default=list(KINDS), choices=KINDS)
    parser.add_argument("--only-left-out", action="store_true")
    parser.add_argument("--sizes", nargs="+", type=int, help="training rows, instead of all sizes")
    parser.add_argument("--predict", type=int, default=N_PREDICTED, help="subnets that are timed")
    arguments = parser.parse_args()
    print_head()
    if arguments.left_out:
        compare_left_out(arguments.data, arguments.left_out)
    if arguments.only_left_out:
        return
    space = SearchSpace(FAMILY, resolution=RESOLUTION)
    n_rows, rows = read(arguments.data / FOLDER, space)
    print(
        f"{n_rows} rows, {len(rows.top1)} different subnets, "
        f"{rows.top1.min():.2f} to {rows.top1.max():.2f} %"
    )
    compare_models(space, rows, arguments)
    compare_spreads(space, rows, arguments)
    compare_draws(arguments)


def read(folder: Path, space: SearchSpace) -> tuple[int, MeasuredRows]:
    """The number of rows of all files, and the different subnets."""
    tables = [read_measured_subnets(file, space.family) for file in sorted(folder.glob("*.csv"))]
    matrix = np.concatenate([space.to_matrix(table.subnets) for table in tables])
    return len(matrix), measured_rows(space, matrix, np.concatenate([t.top1 for t in tables]))


def compare_models(space: SearchSpace, rows: MeasuredRows, arguments: argparse.Namespace) -> None:
    """A line for each model: both splits."""
    columns = [("random", n) for n in arguments.sizes or RANDOM_SIZES]
    columns += [("top", n) for n in arguments.sizes or TOP_SIZES]
    print(
        "\ntau / RMSE (share in the 90 % interval, %), CPU-seconds of the largest fit, "
        "predictions a CPU-second"
    )
    print(f"{'':21}" + "".join(f"{f'{split}, {n}':>18}" for split, n in columns))
    sample = space.sample(arguments.predict, seed=0)
    for name in arguments.models:
        means = []
        for split, n in columns:
            scores = [one(space, rows, RIVALS[name], split, n, s) for s in range(arguments.repeats)]
            means.append(Score(*np.mean(scores, axis=0)))
        cells = "".join(f"{_words(mean):>18}" for mean in means)
        seconds = max(mean.seconds for mean in means)
        fitted = RIVALS[name](space, rows.matrix[:1_000], rows.top1[:1_000], 0)
        start = time.process_time()
        fitted.predict(sample)
        rate = len(sample) / (time.process_time() - start)
        print(f"{name:21}{cells}  {seconds:6.2f} s  {rate:11,.0f}", flush=True)


def one(space: SearchSpace, rows: MeasuredRows, fit: Fit, split: str, n: int, seed: int) -> Score:
    """Fit to ``n`` rows and predict those of the other side."""
    train, test = split_rows(rows, split, n, seed)
    start = time.process_time()
    fitted = fit(space, rows.matrix[train], rows.top1[train], seed)
    return score(fitted, rows.select(test), time.process_time() - start)


def split_rows(rows: MeasuredRows, split: str, n: int, seed: int) -> tuple[Vector, Vector]:
    """Indices of ``n`` rows to fit to, and of those to predict."""
    rng = np.random.default_rng(seed)
    if split == "random":
        order = rng.permutation(len(rows.top1))
        return order[:n], order[n:]
    order = np.argsort(rows.top1)
    n_low = int((1 - TOP_SHARE) * len(order))
    return rng.permutation(order[:n_low])[:n], order[n_low:]


def score(fitted: Fitted, test: MeasuredRows, seconds: float = 0.0) -> Score:
    """Compare predictions with measurements."""
    predicted, std = fitted.predict(test.matrix), fitted.std(test.matrix)
    errors = predicted - test.top1
    inside = np.nan if std is None else np.mean(np.abs(errors) < Z_90 * std)
    rmse = float(np.sqrt(np.mean(errors**2)))
    return Score(kendall_tau(predicted, test.top1), rmse, float(inside), seconds)


def compare_spreads(space: SearchSpace, rows: MeasuredRows, arguments: argparse.Namespace) -> None:
    """A line for each way to choose from a pool: all subnets held out, and their best fifth."""
    sizes = arguments.sizes or SPREAD_SIZES
    columns = [(n, what) for n in sizes for what in ("all", "best fifth")]
    print("\nwhich to measure: tau / RMSE of a Gaussian process on held-out subnets")
    print(f"{'':21}" + "".join(f"{f'{n}, {what}':>18}" for n, what in columns))
    for name, choose in SPREADS.items():
        cells = []
        for n in sizes:
            scores = []
            for seed in range(arguments.spread_repeats):
                rng = np.random.default_rng(seed)
                order = rng.permutation(len(rows.top1))
                test, pool = rows.select(order[:N_HELD_OUT]), rows.select(order[N_HELD_OUT:])
                chosen = pool.select(choose(space, pool.matrix, n, rng))
                fitted = RIVALS["Gaussian process"](space, chosen.matrix, chosen.top1, seed)
                scores.append([score(fitted, part) for part in (test, best_fifth(test))])
            cells += [Score(*mean) for mean in np.mean(scores, axis=0)]
        print(f"{name:21}" + "".join(f"{_words(c):>18}" for c in cells), flush=True)


def compare_draws(arguments: argparse.Namespace) -> None:
    """A line for each way to draw: random subnets of the whole space, and the best known front."""
    drawn = Drawn(arguments.data)
    sizes = arguments.sizes or SPREAD_SIZES
    columns = [(n, what) for n in sizes for what in drawn.tests]
    print("\nhow to draw: the same where the published predictor of w1.2 is the truth")
    print(f"{'':21}" + "".join(f"{f'{n}, {what}':>19}" for n, what in columns))
    for name, draw in DRAWS.items():
        cells = []
        for n in sizes:
            scores = []
            for seed in range(arguments.spread_repeats):
                train = drawn.train(draw, n, np.random.default_rng(seed))
                fitted = RIVALS["Gaussian process"](drawn.space, train.matrix, train.top1, seed)
                scores.append([score(fitted, test) for test in drawn.tests.values()])
            cells += [Score(*mean) for mean in np.mean(scores, axis=0)]
        print(f"{name:21}" + "".join(f"{_words(c):>19}" for c in cells), flush=True)


def best_fifth(rows: MeasuredRows) -> MeasuredRows:
    """The subnets with the highest accuracies."""
    return rows.select(rows.top1 >= np.quantile(rows.top1, 1 - TOP_SHARE))


def _words(mean: Score) -> str:
    inside = "" if np.isnan(mean.coverage) else f" ({100 * mean.coverage:.0f})"
    return f"{mean.tau:.3f}/{mean.rmse:.3f}{inside}"


if __name__ == "__main__":
    main()

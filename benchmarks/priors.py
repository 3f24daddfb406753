"""Accuracies of other weights, from few measurements and a predictor of these weights.

    python benchmarks/priors.py --data ../shared/data

Each pair is a predictor of some weights and measured subnets of others. For ``n`` measured subnets
drawn at random, prints Kendall's tau on up to 1,000 of the rest, mean and standard deviation of the
draws, for: the prior alone; a line from it and a Gaussian process on what that leaves; the Gaussian
process alone; and ``fit(prior=)``, with RMSE in points and the share of its 90 % intervals that
hold the measurement.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from _head import print_head, spent
from _prior_pairs import Pair, pairs
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor
from optuna_ofa.predictors import GaussianProcess, kendall_tau
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._prior import PriorPredictor

N_TEST = 1_000
Z_90 = 1.645  # half width of a 90 % interval in standard deviations
Array = NDArray[np.float64]


def main() -> None:
    """Print a table for each pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--sizes", nargs="+", type=int, default=[5, 10, 20, 50, 200])
    parser.add_argument("--pairs", nargs="+", help="names of pairs instead of all")
    arguments = parser.parse_args()
    print_head()
    known = pairs(arguments.data)
    print(f"{arguments.draws} draws")
    for name in arguments.pairs or known:
        with spent() as seconds:
            compare(known[name](), arguments.sizes, arguments.draws)
        print(seconds, flush=True)


def compare(pair: Pair, sizes: list[int], draws: int) -> None:
    """Print the table of a pair."""
    top1 = pair.rows.top1
    expected = PriorPredictor(pair.prior, pair.space)(pair.rows.matrix)[:, 0]
    print(f"\n{pair.name}: {len(top1)} subnets, prior alone {kendall_tau(expected, top1):.3f}")
    print(f"{'n':>4} {'line + process':>15} {'process alone':>15} {'prior=':>15}  RMSE, in 90 %")
    for n in sizes:
        scores = np.array([one_draw(pair, expected, n, seed) for seed in range(draws)])
        mean, std = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
        cells = "".join(f"{f'{mean[i]:.3f} ± {std[i]:.3f}':>16}" for i in range(3))
        print(f"{n:4}{cells}  {mean[3]:.3f}, {100 * mean[4]:.0f}", flush=True)


def one_draw(pair: Pair, expected: Array, n: int, seed: int) -> list[float]:
    """Return tau of the three methods, and RMSE and coverage of the last."""
    order = np.random.default_rng(seed).permutation(len(expected))
    train, test = order[:n], order[n : n + N_TEST]
    rows, truth = pair.rows.select(train), pair.rows.select(test)
    trial = line_and_process(pair, rows, expected[train], truth.matrix, expected[test])
    alone = GaussianProcess.fit(pair.space, rows).predict(truth.matrix)
    predictor = AccuracyPredictor.fit(pair.space, rows.matrix, rows.top1, prior=pair.prior)
    predicted, std = predictor.predict(truth.matrix), predictor.predict_std(truth.matrix)
    errors = predicted - truth.top1
    return [
        *(kendall_tau(found, truth.top1) for found in (trial, alone, predicted)),
        float(np.sqrt(np.mean(errors**2))),
        float(np.mean(np.abs(errors) < Z_90 * std)) if std is not None else np.nan,
    ]


def line_and_process(
    pair: Pair, rows: MeasuredRows, known: Array, matrix: NDArray[np.int16], expected: Array
) -> Array:
    """Predict by least squares on the prior, and a Gaussian process on what that leaves."""
    slope, level = np.polyfit(known, rows.top1, 1)
    left = rows._replace(top1=rows.top1 - level - slope * known)
    return level + slope * expected + GaussianProcess.fit(pair.space, left).predict(matrix)


if __name__ == "__main__":
    main()

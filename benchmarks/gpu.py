"""Latencies of two GPUs from few measured subnets, beside what the noise of the rows allows.

The rows are HELP's: 5,000 subnets on an RTX 2080Ti and a Titan Xp at batch 1, 32 and 64. Fits to n
random rows of the first 4,000 and predicts the last 1,000; prints rank correlation, MAPE and the
share of the measurements in the 90 % intervals, with their spread over the draws, the model that
was chosen, and what explains each device.

    python benchmarks/gpu.py --gpu ../shared/data/gpu/ofa_gpu_latency.csv
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path

import numpy as np
from _head import print_head

from optuna_ofa import NetworkLatencyPredictor, SearchSpace

DEVICES = ("2080ti", "titan_xp")
# rank correlation at least and MAPE at most, by batch size and number of rows
BARS = {
    (1, 10): (0.77, 7.4),
    (1, 20): (0.79, 6.6),
    (1, 100): (0.80, 6.2),
    (32, 10): (0.92, 8.0),
    (32, 20): (0.93, 7.0),
    (32, 100): (0.945, 5.5),
    (64, 10): (0.975, 4.6),
    (64, 20): (0.98, 4.0),
    (64, 100): (0.985, 2.8),
}
N_KNOWN = 4000
Z90 = 1.6449


def read(path: Path, space: SearchSpace) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The genotypes ``(5000, n_genes)``, and milliseconds by column."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    genes = [" ".join(row[name] for name in ("r", "d", "ks", "e")).split() for row in rows]
    matrix = space.canonicalize(space.check(np.array(genes, dtype=np.int16)))
    return matrix, {n: np.array([float(r[n]) for r in rows]) for n in rows[0] if n.endswith("_ms")}


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of numbers, of which equal ones are rare."""
    return np.argsort(np.argsort(values))


def scores(predictor: NetworkLatencyPredictor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank correlation, MAPE in percent, share in the intervals in percent."""
    predicted = predictor.predict(x)
    inside = np.abs(predicted - y) <= Z90 * predictor.predict_std(x)
    return np.array(
        [
            np.corrcoef(ranks(predicted), ranks(y))[0, 1],
            np.abs(predicted / y - 1).mean() * 100,
            inside.mean() * 100,
        ]
    )


def benchmark(space: SearchSpace, x: np.ndarray, y: np.ndarray, n: int, seeds: int) -> np.ndarray:
    """Fit to each draw, print; return ``(seeds, 3)`` scores."""
    found, chosen = [], Counter[str]()
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).choice(N_KNOWN, n, replace=False)
        fitted = NetworkLatencyPredictor.fit(space, x[drawn], y[drawn], seed=seed)
        found.append(scores(fitted, x[N_KNOWN:], y[N_KNOWN:]))
        chosen[fitted.name] += 1
    print(f"  n = {n:4}: {text(np.array(found))}; chosen: {dict(chosen)}")
    return np.array(found)


def text(found: np.ndarray) -> str:
    """Means and spreads of scores in words."""
    rank, mape, inside = found.mean(axis=0)
    return (
        f"Spearman {rank:.3f} ({found[:, 0].min():.3f} to {found[:, 0].max():.3f}), MAPE "
        f"{mape:.2f} % ({found[:, 1].min():.2f} to {found[:, 1].max():.2f}), {inside:.0f} % in "
        "the 90 % intervals"
    )


def main() -> None:
    """Benchmark each batch size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", type=Path, default=Path("../shared/data/gpu/ofa_gpu_latency.csv"))
    parser.add_argument("--n", type=int, nargs="+", default=[10, 20, 100])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 64])
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    print_head()
    space = SearchSpace("ofa_mbv3_w1.0")
    x, latencies = read(arguments.gpu, space)
    for batch in arguments.batches:
        means: dict[int, list[np.ndarray]] = {n: [] for n in arguments.n}
        for device in DEVICES:
            y = latencies[f"{device}_{batch}_ms"]
            print(f"{device}, batch {batch}")
            for n in arguments.n:
                means[n].append(benchmark(space, x, y, n, arguments.seeds).mean(axis=0))
            every = NetworkLatencyPredictor.fit(
                space, x[:N_KNOWN], y[:N_KNOWN], features="physical", penalty=1e-4
            )
            print(f"  a ridge on all: {text(scores(every, x[N_KNOWN:], y[N_KNOWN:])[None])}")
        for n, found in means.items():
            rank, mape, inside = np.mean(found, axis=0)
            bar = BARS.get((batch, n))
            met = bar and f"; bar {bar[0]:.3f} / {bar[1]} %: {_met(rank >= bar[0], mape <= bar[1])}"
            print(f"batch {batch}, n = {n}: {rank:.3f} / {mape:.2f} %, {inside:.0f} %{met or ''}")


def _met(rank: bool, mape: bool) -> str:
    return f"{'met' if rank else 'MISSED'} / {'met' if mape else 'MISSED'}"


if __name__ == "__main__":
    main()

"""What choosing the networks to measure gains over drawing them.

For each column of the published measurements of two GPUs: fitted to n of the first 4,000 rows,
tested on the last 1,000. Drawn rows are random; chosen ones are those of
`NetworkLatencyPredictor.choose` among 1,000 random rows, because one choice among all 4,000 would
say more about the noise of its rows than about the choice. For the packaged tables of
`ofa_mbv3_w1.0`, with 2.5 % of noise, chosen ones are from the whole space, as by default. Prints
the mean and the worst Spearman correlation and MAPE over the draws.

    OMP_NUM_THREADS=1 python benchmarks/chosen.py
    OMP_NUM_THREADS=1 python benchmarks/chosen.py --n 10 --repeats 3
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _head import print_head
from numpy.typing import NDArray

from optuna_ofa import LatencyPredictor, LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.data import packaged_table, table_names
from optuna_ofa.predictors import prediction_errors
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]
GPU = Path(__file__).parents[2] / "shared/data/gpu/ofa_gpu_latency.csv"
N_FIT, N_POOL, NOISE = 4000, 1000, 0.025


class Device(NamedTuple):
    """A device: its name, drawn and chosen rows with their latencies, and test rows with theirs."""

    name: str
    drawn: Callable[[int, int], tuple[Matrix, Array]]
    chosen: Callable[[int, int], tuple[Matrix, Array]]
    test: Matrix
    truth: Array


def gpus(space: SearchSpace) -> Iterator[Device]:
    """Yield each card and batch size."""
    with open(GPU, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    genes = [f"{r['r']} {r['d']} {r['ks']} {r['e']}".split() for r in rows]
    matrix = space.canonicalize(np.array(genes, dtype=np.int16))
    keys = {row.tobytes(): i for i, row in reversed(list(enumerate(matrix[:N_FIT])))}
    for column in (name for name in rows[0] if name.endswith("_ms")):
        latency = np.array([float(r[column]) for r in rows])

        def drawn(n: int, seed: int, latency: Array = latency) -> tuple[Matrix, Array]:
            picked = np.random.default_rng(seed).choice(N_FIT, n, replace=False)
            return matrix[picked], latency[picked]

        def chosen(n: int, seed: int, latency: Array = latency) -> tuple[Matrix, Array]:
            pool = np.random.default_rng(seed).choice(N_FIT, N_POOL, replace=False)
            found = NetworkLatencyPredictor.choose(space, n, candidates=matrix[pool], seed=seed)
            return found, latency[[keys[row.tobytes()] for row in found]]

        yield Device(column[:-3], drawn, chosen, matrix[N_FIT:], latency[N_FIT:])


def cpus(space: SearchSpace) -> Iterator[Device]:
    """Yield each packaged table, as the truth that measurements are noisy copies of."""
    test = np.concatenate([space.sample(500, seed=6, uniform_over=k) for k in ("choices", "sizes")])
    for name in table_names(space.family):
        table = LatencyTable.load(packaged_table(name, space.family))
        predictor = LatencyPredictor(table=table, space=space)

        def measured(matrix: Matrix, seed: int, of: LatencyPredictor = predictor) -> Array:
            noise = np.random.default_rng(100 + seed).normal(0, NOISE, len(matrix))
            return np.asarray(of.predict(matrix) * np.exp(noise))

        def drawn(n: int, seed: int, of: object = measured) -> tuple[Matrix, Array]:
            found = space.sample(n, seed=seed)
            return found, of(found, seed)  # type: ignore[operator]

        def chosen(n: int, seed: int, of: object = measured) -> tuple[Matrix, Array]:
            found = NetworkLatencyPredictor.choose(space, n, seed=seed)
            return found, of(found, seed)  # type: ignore[operator]

        yield Device(name, drawn, chosen, test, predictor.predict(test))


def errors(space: SearchSpace, device: Device, kind: str, n: int, repeats: int) -> Array:
    """Return the rank correlation and the MAPE of each draw, ``(repeats, 2)``."""
    found = []
    for seed in range(repeats):
        matrix, latency = getattr(device, kind)(n, seed)
        predictor = NetworkLatencyPredictor.fit(space, matrix, latency, like=[])
        error = prediction_errors("", predictor.predict(device.test), device.truth)
        found.append((error.spearman, error.mape))
    return np.array(found)


def main() -> None:
    """Print a line for each device and number of networks, and the ratios of the errors."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--repeats", type=int, default=10, help="draws, seeds from 0")
    arguments = parser.parse_args()
    print_head()
    space = SearchSpace("ofa_mbv3_w1.0")
    devices = [*(gpus(space) if GPU.is_file() else ()), *cpus(space)]
    print(f"{'':18}{'n':>4}   Spearman drawn, chosen (worst)       MAPE drawn, chosen (worst)")
    for n in arguments.n:
        ratios = []
        for device in devices:
            drawn, chosen = (
                errors(space, device, kind, n, arguments.repeats) for kind in ("drawn", "chosen")
            )
            ranks = [f"{e[:, 0].mean():.3f} ({e[:, 0].min():.3f})" for e in (drawn, chosen)]
            mapes = [f"{e[:, 1].mean():5.2f} ({e[:, 1].max():5.2f})" for e in (drawn, chosen)]
            print(f"{device.name:18}{n:4}   {', '.join(ranks)}   {', '.join(mapes)}", flush=True)
            means = chosen[:, 1].mean() / drawn[:, 1].mean()
            ratios.append((means, chosen[:, 1].max() / drawn[:, 1].max()))
        mean, worst = np.exp(np.log(ratios).mean(axis=0))
        print(f"MAPE of chosen by that of drawn, n = {n}: mean {mean:.2f}, worst draw {worst:.2f}")


if __name__ == "__main__":
    main()

"""How well latencies of this machine are predicted, beside how well they can be measured.

For each runtime: a table is profiled, random subnets of all resolutions are measured twice, some
are fitted to, and the others, which nothing has seen, are compared with the predictions. Prints
the figures, the bars, the time that the profile took, what each kernel size costs, and how
fast predictions are. Measurements go to a database, so an interrupted run goes on.

    python benchmarks/latency.py --runtimes onnxruntime openvino torch executorch litert
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from _head import print_head

import optuna_ofa
from optuna_ofa import LatencyPredictor, LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.visualization import plot_macs_latency, plot_predicted_latency

# MAPE at most, share within 5 % at least, share within 10 % at least, tau at least
BARS = {
    "onnxruntime": {"mape": 2.5, "within_5": 90, "within_10": 99, "kendall": 0.94},
    "openvino": {"mape": 3.5, "within_5": 80},
    "torch": {"mape": 5.0},
    "executorch": {"mape": 2.5},
    "litert": {"mape": 3.5},
}
HYBRID = "table + some subnets"
# so that a smaller comparison has some of the subnets of a larger one
N_SAMPLED = 80
KERNEL_RESOLUTION = 160


def benchmark(runtime: str, arguments: argparse.Namespace) -> None:
    """Profile, measure, compare and print."""
    folder: Path = arguments.folder
    space = SearchSpace(arguments.supernet)
    table = table_of(runtime, space, folder)
    n = arguments.fit + arguments.n
    matrix = space.sample(max(n, N_SAMPLED), seed=arguments.seed)[:n]
    fitted = np.zeros(len(matrix), dtype=bool)
    fitted[np.linspace(0, n - 1, arguments.fit).astype(int)] = True
    storage = f"sqlite:///{folder / 'measurements.db'}"

    measure = partial(
        optuna_ofa.measure,
        space,
        settings=optuna_ofa.MeasurementSettings(runtime=runtime, n_rounds=arguments.rounds),
        storage=storage,
        anchor_ms=table.metadata["anchor_ms"],
        folder=folder / f"{runtime}.graphs",
    )
    measured = measure(matrix)
    retest = measure(matrix[~fitted], again=True)
    seen = measured.select(fitted)
    hybrid = NetworkLatencyPredictor.fit(space, seen.matrix, seen.latency_ms, table=table)
    without = NetworkLatencyPredictor.fit(space, seen.matrix, seen.latency_ms, features="physical")
    predictors = {
        "table alone": LatencyPredictor(table=table, space=space),
        HYBRID: hybrid,
        "some subnets, no table": without,
    }
    report = optuna_ofa.latency_report(predictors, measured.select(~fitted), retest=retest)
    print(f"\n{report}")
    print(f"fitted to {len(seen)} subnets: {hybrid.name}, held-out error {hybrid.heldout_mape} %")
    for name, bar in BARS[runtime].items():
        value = getattr(report[HYBRID], name)
        met = value <= bar if name == "mape" else value >= bar
        print(f"bar {name} {bar}: {value:.3f} {'met' if met else 'MISSED'}")
    plot_predicted_latency(report).write_html(folder / f"{runtime}.predicted.html")
    plot_macs_latency(report).write_html(folder / f"{runtime}.macs.html")
    if len(space.family.kernels) > 1:
        print_kernels(space, measure)
    rows = np.tile(matrix, (10_000, 1))[:500_000]
    start = time.process_time()
    predictors["table alone"].predict(rows)
    print(f"{len(rows) / (time.process_time() - start) / 1e6:.2f} million predictions a CPU-second")


def print_kernels(space: SearchSpace, measure: Callable[[np.ndarray], Any]) -> None:
    """Print what one kernel size everywhere costs."""
    kernels = kernel_subnets(space)
    macs = CostPredictor("n_macs", space).predict(kernels) / 1e6
    for kernel, m, ms in zip(space.family.kernels, macs, measure(kernels).latency_ms, strict=True):
        print(
            f"kernel {kernel} at {kernel_resolution(space)} pixels, full depth and expand: "
            f"{m:.0f} M multiply-adds, {ms:.2f} ms"
        )


def table_of(runtime: str, space: SearchSpace, folder: Path) -> LatencyTable:
    """The table in the folder, profiled where it is missing."""
    path = folder / f"{space.family.name}.{runtime}.latency.json"
    if not path.exists():
        wall, cpu = time.perf_counter(), time.process_time()
        optuna_ofa.profile(space, optuna_ofa.MeasurementSettings(runtime=runtime), out=path)
        print(
            f"{runtime}: profiled in {time.perf_counter() - wall:.0f} s, of which "
            f"{time.process_time() - cpu:.0f} s computing"
        )
    return LatencyTable.load(path)


def kernel_subnets(space: SearchSpace) -> np.ndarray:
    """The deepest and widest subnets with one kernel size everywhere, ``(3, n_genes)``."""
    largest = space.largest()
    return space.to_matrix(
        [
            space.subnet(
                resolution=kernel_resolution(space),
                depth=largest.depth,
                kernel=k,
                expand=max(space.family.expands),
            )
            for k in space.family.kernels
        ]
    )


def kernel_resolution(space: SearchSpace) -> int:
    """Return the size of the table of kernels in the docs, or the largest."""
    sizes = space.resolutions
    return KERNEL_RESOLUTION if KERNEL_RESOLUTION in sizes else sizes[-1]


def main() -> None:
    """Benchmark each runtime."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtimes", nargs="+", default=["onnxruntime"], choices=sorted(BARS))
    parser.add_argument("--supernet", default="ofa_mbv3_w1.0")
    parser.add_argument("--n", type=int, default=60, help="subnets that are compared")
    parser.add_argument("--fit", type=int, default=20, help="subnets that are fitted to")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("runs/latency"))
    arguments = parser.parse_args()
    print_head()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for runtime in arguments.runtimes:
        benchmark(runtime, arguments)


if __name__ == "__main__":
    main()

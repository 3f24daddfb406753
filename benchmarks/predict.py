"""Predicting accuracy and latency, of one subnet and of whole batches, beside the published code.

    python benchmarks/predict.py --data ../shared/data

Both sides use the published accuracy predictor of MobileNetV3 w1.2 and the Note10 table, on the
same random subnets and with the same number of threads, once one and once torch's own. The ``ofa``
package (``ofa/tutorial``) is timed as its finder uses it, one subnet at a time, and with the
accuracies of a batch in one call; its table has no batches. The repeats of all are interleaved.
Printed are medians of the CPU time of all threads and of the time by the clock, and the range of
the ratios among the repeats. Predictions are compared first.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _head import Spent, print_head, spent
from _peer import ACCURACY, RESOLUTIONS, TABLE, Note10, accuracy_predictor

from optuna_ofa.predictors import AccuracyPredictor, LatencyPredictor, LatencyTable
from optuna_ofa.space import subnet_to_dialect

N_TABLE = 200_000
N_BATCH = 20_000
N_SMALL = 1_000
N_PEER = 500
N_ONE = 300
N_REPEATS = 7

Specs = list[dict[str, Any]]


class Case(NamedTuple):
    """One way to predict: how many subnets a run predicts, and the run."""

    name: str
    n: int
    run: Callable[[], object]


def main() -> None:
    """Compare the predictions, then print the times of each way and the ratios of pairs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    data = parser.parse_args().data
    print_head()
    accuracy = AccuracyPredictor.load(data / ACCURACY)
    space = accuracy.space.restrict(resolution=RESOLUTIONS)
    latency = LatencyPredictor(table=LatencyTable.load(data / TABLE), space=space)
    matrix = space.sample(N_TABLE, seed=0)
    specs = [subnet_to_dialect(s, "ofa_tutorial") for s in space.from_matrix(matrix[:N_PEER])]
    peer, usual = Peer(data), torch.get_num_threads()
    _compare(peer, specs, accuracy.predict(matrix[:N_PEER]), latency.predict(matrix[:N_PEER]))
    for n_threads in sorted({1, usual}):
        torch.set_num_threads(n_threads)
        print(f"\ntorch with {n_threads} thread{'s' * (n_threads > 1)}")
        _report(_cases(peer, specs, accuracy, latency, matrix))


def _cases(
    peer: Peer, specs: Specs, accuracy: Any, latency: Any, matrix: Any
) -> list[tuple[Case, Case]]:
    """Return pairs of the peer's way and ours."""
    ones = [matrix[i : i + 1] for i in range(N_ONE)]

    def ours(n: int) -> Case:
        rows = matrix[:n]
        run = lambda: (accuracy.predict(rows), latency.predict(rows))  # noqa: E731
        return Case(f"optuna_ofa, {n:,} at once", n, run)

    def each(name: str, *predictors: Any) -> Case:
        run = lambda: [p.predict(one) for one in ones for p in predictors]  # noqa: E731
        return Case(f"optuna_ofa, {name}, one at a time", N_ONE, run)

    both = Case("ofa, one at a time", N_PEER, lambda: peer.one_at_a_time(specs))
    batch = Case("ofa, accuracies at once", N_PEER, lambda: peer.batch(specs))
    table = Case("ofa, table, one at a time", N_PEER, lambda: peer.latencies(specs))
    network = Case("ofa, accuracy, one at a time", N_PEER, lambda: peer.accuracies(specs))
    whole = Case(
        f"optuna_ofa, table, {N_TABLE:,} at once", N_TABLE, lambda: latency.predict(matrix)
    )
    return [
        (both, ours(N_BATCH)),
        (batch, ours(N_BATCH)),
        (batch, ours(N_SMALL)),
        (table, whole),
        (network, each("accuracy", accuracy)),
        (table, each("table", latency)),
    ]


def _report(pairs: list[tuple[Case, Case]]) -> None:
    cases = {case.name: case for pair in pairs for case in pair}
    times = _times(cases)
    print(f"{'':44} CPU us a subnet   us by the clock   a CPU-second")
    for name, found in times.items():
        n = cases[name].n
        cpu, wall = (statistics.median(1e6 * t / n for t in of) for of in zip(*found, strict=True))
        print(f"  {name:42} {cpu:15.2f} {wall:17.2f} {1e6 / cpu:14,.0f}")
    print("times the peer, the lowest to the highest of the repeats: by CPU time, by the clock")
    for theirs, ours in pairs:
        repeats = zip(times[theirs.name], times[ours.name], strict=True)
        ratios = np.array([np.divide(a, b) * (ours.n / theirs.n) for a, b in repeats])
        (low, low_wall), (high, high_wall) = ratios.min(axis=0), ratios.max(axis=0)
        text = f"{low:,.1f} to {high:,.1f}, {low_wall:,.1f} to {high_wall:,.1f}"
        print(f"  {ours.name} / {theirs.name}: {text}")


def _times(cases: dict[str, Case]) -> dict[str, list[tuple[float, float]]]:
    """Return CPU and wall seconds of each repeat; interleaved, so that all see the same load."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for repeat in range(N_REPEATS + 1):
        for name, case in cases.items():
            seconds: Spent
            with spent() as seconds:
                case.run()
            if repeat:  # the first one warms up
                found[name].append((seconds.cpu, seconds.wall))
    return found


class Peer:
    """The predictors of ``ofa/tutorial``, with the published files."""

    def __init__(self, data: Path) -> None:
        self._accuracy = accuracy_predictor(data)
        self._latency = Note10(data).predict_efficiency

    def one_at_a_time(self, specs: Specs) -> list[tuple[float, float]]:
        """Top-1 in percent and latency in milliseconds, as its finder asks for them."""
        return list(zip(self.accuracies(specs), self.latencies(specs), strict=True))

    def batch(self, specs: Specs) -> object:
        """The accuracies in one call; its table has no batches."""
        return self._accuracy.predict_accuracy(specs), self.latencies(specs)

    def accuracies(self, specs: Specs) -> list[float]:
        """Percent."""
        return [100 * float(self._accuracy.predict_accuracy([spec])) for spec in specs]

    def latencies(self, specs: Specs) -> list[float]:
        """Milliseconds."""
        return [self._latency(spec) for spec in specs]


def _compare(peer: Peer, specs: Specs, top1: Any, latency_ms: Any) -> None:
    theirs = np.array(peer.one_at_a_time(specs))
    print(
        f"largest difference on {len(specs)} subnets: {abs(theirs[:, 0] - top1).max():.1g} "
        f"points, {abs(theirs[:, 1] - latency_ms).max():.1g} ms"
    )


if __name__ == "__main__":
    main()

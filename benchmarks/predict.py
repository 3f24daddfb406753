"""Predicting accuracy and latency of whole batches, beside the published code.

    python benchmarks/predict.py --data ../shared/data

Both sides use the published accuracy predictor of MobileNetV3 w1.2 and the Note10 table, on the
same random subnets and with torch's default number of threads. The ``ofa`` package
(``ofa/tutorial``) is timed as its finder uses it, one subnet at a time, and with the accuracies of
a batch in one call. The repeats of all are interleaved, and the medians are printed. Predictions
are compared first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _head import print_head
from _peer import ACCURACY, RESOLUTIONS, TABLE, Note10, accuracy_predictor

from optuna_ofa.predictors import AccuracyPredictor, LatencyPredictor, LatencyTable
from optuna_ofa.space import subnet_to_dialect

N_TABLE = 1_000_000
N_BATCH = 20_000
N_PEER = 500
N_REPEATS = 5

Specs = list[dict[str, Any]]


def main() -> None:
    """Compare the predictions, then print subnets per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    data = parser.parse_args().data
    print_head()
    accuracy = AccuracyPredictor.load(data / ACCURACY)
    space = accuracy.space.restrict(resolution=RESOLUTIONS)
    latency = LatencyPredictor(table=LatencyTable.load(data / TABLE), space=space)
    matrix = space.sample(N_TABLE, seed=0)
    specs = [subnet_to_dialect(s, "ofa_tutorial") for s in space.from_matrix(matrix[:N_PEER])]
    peer = Peer(data)
    _compare(peer, specs, accuracy.predict(matrix[:N_PEER]), latency.predict(matrix[:N_PEER]))

    def ours_both() -> None:
        accuracy.predict(matrix[:N_BATCH])
        latency.predict(matrix[:N_BATCH])

    cases: dict[str, tuple[int, Callable[[], object]]] = {
        "ofa, accuracy + table, one at a time": (N_PEER, lambda: peer.one_at_a_time(specs)),
        "ofa, accuracy of a batch + table": (N_PEER, lambda: peer.batch(specs)),
        "optuna_ofa, accuracy + table": (N_BATCH, ours_both),
        "ofa, table alone": (N_PEER, lambda: peer.latencies(specs)),
        "optuna_ofa, table alone": (N_TABLE, lambda: latency.predict(matrix)),
    }
    rates = _rates(cases)
    for name, rate in rates.items():
        print(f"  {name:38} {rate:12,.0f} subnets/s")
    one, batch, both, their_table, table = rates.values()
    print(
        f"  accuracy + table: {both / one:,.0f} times ofa one at a time, "
        f"{both / batch:,.0f} times ofa with batches"
    )
    print(f"  table alone: {table / their_table:,.0f} times ofa")


def _rates(cases: dict[str, tuple[int, Callable[[], object]]]) -> dict[str, float]:
    """Median subnets per second; the repeats are interleaved, so that all see the same load."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(N_REPEATS + 1):
        for name, (_, run) in cases.items():
            start = time.perf_counter()
            run()
            if repeat:  # the first one warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: n / statistics.median(seconds[name]) for name, (n, _) in cases.items()}


class Peer:
    """The predictors of ``ofa/tutorial``, with the published files."""

    def __init__(self, data: Path) -> None:
        self._accuracy = accuracy_predictor(data)
        self._latency = Note10(data).predict_efficiency

    def one_at_a_time(self, specs: Specs) -> list[tuple[float, float]]:
        """Top-1 in percent and latency in milliseconds, as its finder asks for them."""
        return [
            (100 * float(self._accuracy.predict_accuracy([spec])), self._latency(spec))
            for spec in specs
        ]

    def batch(self, specs: Specs) -> object:
        """The accuracies in one call; its table has no batches."""
        return self._accuracy.predict_accuracy(specs), self.latencies(specs)

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

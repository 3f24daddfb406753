"""The best predicted accuracy under each latency limit, beside the finder of Once-for-All.

    python benchmarks/search.py --data ../shared/data

One run of `study.search` answers all limits at once; the finder of the ``ofa`` package
(``ofa/tutorial/evolution_finder.py``) needs one run of 50,100 evaluations for each. Both use the
published accuracy predictor of MobileNetV3 w1.2 and the same table, so that only the search
differs. Everything is predicted.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from _head import print_head
from _peer import ACCURACY, TABLE, Note10, accuracy_predictor, import_ofa

import optuna_ofa

LIMITS_MS = {"note10": (15.0, 20.0, 25.0, 30.0), "i7-8700k": (10.0, 13.0, 16.0, 20.0)}
TABLES = {"note10": TABLE, "i7-8700k": "i7-8700k_w1.0/i7-8700K_lut.yaml"}
SEEDS = (0, 1, 2)
N_EVALUATIONS = 20_000
FAMILY = "ofa_mbv3_w1.2"


def main() -> None:
    """Print a table for each device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    parser.add_argument("--no-peer", action="store_true", help="leave the ofa package's finder out")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    for device, limits in LIMITS_MS.items():
        words = ", ".join(f"{limit:g}" for limit in limits)
        print(f"\n{device}: top-1 % (predicted) under {words} ms")
        for seed in SEEDS:
            _row(f"optuna_ofa, seed {seed}", *ours(arguments, device, limits, seed))
        if arguments.no_peer or device != "note10":  # its code knows this one table only
            continue
        for seed in SEEDS:
            _row(f"ofa's finder, seed {seed}", *finder(arguments.data, limits, seed))


def _row(name: str, top1: list[float], n_trials: int, seconds: float) -> None:
    values = "  ".join(f"{x:5.2f}" for x in top1)
    print(f"  {name:22} {values}   {n_trials:7,} evaluations  {seconds:6.1f} s", flush=True)


def _study(arguments: argparse.Namespace, device: str, limit: float, seed: int) -> Any:
    return optuna_ofa.study(
        FAMILY,
        hardware=arguments.data / TABLES[device],
        accuracy=arguments.data / ACCURACY,
        constraints={"latency_ms": limit},
        seed=seed,
    )


def ours(
    arguments: argparse.Namespace, device: str, limits: tuple[float, ...], seed: int
) -> tuple[list[float], int, float]:
    """One search for all limits."""
    start = time.perf_counter()
    study = _study(arguments, device, max(limits), seed)
    study.search(n_trials=arguments.evaluations)
    front = study.front()
    seconds = time.perf_counter() - start
    best = [front.best(latency_ms=limit).values["top1"] for limit in limits]
    return best, arguments.evaluations, seconds


def finder(data: Path, limits: tuple[float, ...], seed: int) -> tuple[list[float], int, float]:
    """The finder as it is, with its own predictors, once for each limit."""
    latency, accuracy = Note10(data), accuracy_predictor(data)
    finder_class = import_ofa("ofa.tutorial.evolution_finder").EvolutionFinder
    start = time.perf_counter()
    best = []
    for limit in limits:
        random.seed(seed)
        np.random.seed(seed)
        search = finder_class(
            constraint_type="note10",
            efficiency_constraint=limit,
            efficiency_predictor=latency,
            accuracy_predictor=accuracy,
        )
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
            best.append(100 * float(search.run_evolution_search()[1][0]))
    return best, 50_100 * len(limits), time.perf_counter() - start


if __name__ == "__main__":
    main()

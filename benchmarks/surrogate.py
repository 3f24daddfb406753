"""How much of the front a few measurements find.

    python benchmarks/surrogate.py --data ../shared/data --out runs/surrogate.json

The published accuracy predictor of MobileNetV3 w1.2 and a latency table stand in for the truth;
every search is told nothing but what it evaluates. Of all that it evaluated the non-dominated set
counts: its hypervolume over the wide reference point of ``fronts.py``, in points times ms, after
some numbers of evaluations. Then the subnets that were measured on ImageNet as a pool: after how
many measurements the front is as good as that of DyNAS-T's NSGA-II after 500.

A run that is in ``--out`` is not repeated, so the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from _fronts import DEVICES, hypervolume
from _head import print_head
from _measured_searches import MEASURED_SEARCHES
from _pool import Pool
from _runs import Task

BARS = {
    "note10": {25: 568.0, 50: 602.0, 100: 640.0, 250: 690.0, 500: 709.0, 1000: 724.0},
    "i7-8700k": {25: 286.0, 50: 303.0, 100: 322.0, 250: 347.0, 500: 357.0, 1000: 365.0},
}
SLOW = ("tpe", "gp")
N_LOGGED, N_ALLOWED = 500, 200

Results = dict[str, dict[str, Any]]


def main() -> None:
    """Run what is missing, and print a table for each latency table, then the pool."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    results: Results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for device in arguments.table:
        for peer in arguments.peers:
            for seed in range(arguments.slow_seeds if peer in SLOW else arguments.seeds):
                _run(device, peer, seed, arguments, results)
        _print_table(device, arguments, results)
    if arguments.pool:
        _print_pool(arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of the published files")
    add("--out", type=Path, required=True, help="JSON file of finished runs")
    add("--table", nargs="+", choices=list(DEVICES), default=list(DEVICES))
    add("--evaluations", type=int, nargs="+", default=[25, 50, 100, 250, 500, 1000])
    add("--seeds", type=int, default=5, help="how many")
    add("--peers", nargs="+", choices=list(MEASURED_SEARCHES), default=list(MEASURED_SEARCHES))
    add("--slow-evaluations", type=int, default=500, help=f"{SLOW} stop there")
    add("--slow-seeds", type=int, default=2, help=f"how many for {SLOW}")
    add("--no-pool", dest="pool", action="store_false", help="leave the pool out")
    arguments = parser.parse_args()
    arguments.evaluations.sort()
    return arguments


def _budgets(peer: str, arguments: argparse.Namespace) -> list[int]:
    most = arguments.slow_evaluations if peer in SLOW else arguments.evaluations[-1]
    return [n for n in arguments.evaluations if n <= most]


def _run(
    device: str, peer: str, seed: int, arguments: argparse.Namespace, results: Results
) -> None:
    """Run one search, unless it is there with these budgets, and save it."""
    budgets, key = _budgets(peer, arguments), f"{device} {peer} {seed}"
    if not budgets or all(str(n) in results.get(key, {}) for n in budgets):
        return
    run = MEASURED_SEARCHES[peer](Task(arguments.data, device, budgets, seed))
    reference = DEVICES[device].references[0]
    results[key] = {
        str(n): [hypervolume(run.values[:n], reference), run.seconds[n]] for n in budgets
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    partial = arguments.out.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1))
    os.replace(partial, arguments.out)
    words = ", ".join(f"{n}: {v:.1f} ({s:.0f} s)" for n, (v, s) in results[key].items())
    print(f"  ({key}: {words})", flush=True)


def _print_table(device: str, arguments: argparse.Namespace, results: Results) -> None:
    top1, ms = DEVICES[device].references[0]
    columns = arguments.evaluations
    print(
        f"\n{device}, hypervolume over ({top1:g} %, {ms:g} ms) in points x ms; mean "
        f"(least-most) of seeds, seconds of search a trial"
    )
    print("| |" + "|".join(f" {n:,} " for n in columns) + "|")
    print("|---" * (1 + len(columns)) + "|")
    for peer in arguments.peers:
        cells = [_cell(device, peer, n, results) for n in columns]
        print(f"| {peer} | " + " | ".join(cells) + " |")
    if device in BARS:
        print("| bar | " + " | ".join(f"{BARS[device].get(n, '-')}" for n in columns) + " |")


def _cell(device: str, peer: str, n: int, results: Results) -> str:
    runs = [
        run[str(n)]
        for key, run in results.items()
        if key.startswith(f"{device} {peer} ") and str(n) in run
    ]
    if not runs:
        return "-"
    volumes, seconds = np.array(runs).T
    return (
        f"{volumes.mean():.1f} ({volumes.min():.1f}-{volumes.max():.1f}, {len(runs)} seeds) "
        f"{seconds.mean() / n:.3f} s"
    )


def _print_pool(arguments: argparse.Namespace) -> None:
    pool = Pool(arguments.data)
    log = pool.values[pool.log]
    goal = _volume(log[:N_LOGGED], pool)
    print(
        f"\n{len(pool.matrix)} subnets measured on ImageNet, hypervolume over "
        f"({pool.reference[0]:.2f} %, {pool.reference[1]:.0f} million MACs): "
        f"all {_volume(pool.values, pool):.1f}, NSGA-II's log after {N_ALLOWED} "
        f"{_volume(log[:N_ALLOWED], pool):.1f}, after {N_LOGGED} {goal:.1f}"
    )
    for seed in range(arguments.seeds):
        values = pool.values[pool.search(N_ALLOWED, seed)]
        random = np.random.default_rng(seed).permutation(pool.values)[:N_ALLOWED]
        volumes = np.array([_volume(values[: n + 1], pool) for n in range(N_ALLOWED)])
        reached = np.flatnonzero(volumes >= goal)
        words = f"reached after {reached[0] + 1}" if len(reached) else "not reached"
        print(
            f"  seed {seed}: {volumes[-1]:.1f} after {N_ALLOWED}, {words}; random "
            f"{_volume(random, pool):.1f}",
            flush=True,
        )


def _volume(values: np.ndarray, pool: Pool) -> float:
    return hypervolume(values, pool.reference)


if __name__ == "__main__":
    main()

"""How far a search is from what no subnet can exceed, and what the proof costs.

    OMP_NUM_THREADS=1 python benchmarks/bound.py --data ../shared/data

The packaged linear accuracy model of ``ofa_mbv3_w1.0``, with two packaged tables of a CPU and the
published table of an i7. For each: the seconds of `SubnetStudy.bound`, how close the bound is to
the subnets that it found, and how far below it the fronts of searches are. 10,000 random subnets
must not exceed the bound. Note10's table is of another width, for which no linear model is
packaged; one fitted to predictions of its published network is not concave in the parameters.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import optuna
from _fronts import DEVICES
from _head import print_head, spent

import optuna_ofa
from optuna_ofa import SubnetStudy

N_RANDOM = 10_000
PACKAGED = ("cpu-torch", "cpu-onnxruntime")
PUBLISHED = "i7-8700k"


def main() -> None:
    """Print a line for each table."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print_head()
    for name in (*PACKAGED, PUBLISHED):
        report(name, arguments)


def report(name: str, arguments: argparse.Namespace) -> None:
    """Print the figures of one table."""
    studies = [make(name, arguments.data, seed) for seed in arguments.seeds]
    with spent() as seconds:
        bound = studies[0].bound()
    rows = studies[0].space.sample(N_RANDOM, seed=0)
    found = studies[0].problem.evaluate(rows).values
    n_above = int((found[:, 0] > bound.at(found[:, 1])).sum())
    gaps = []
    for one in studies:
        one.search(arguments.evaluations, progress=False)
        front = one.front()
        inside = [front[i].latency_ms for i in range(len(front) // 10, len(front), 20)]
        gaps.append((bound.gap(front, inside), np.mean([bound.gap(front, t) for t in inside])))
    largest, mean = np.transpose(gaps)
    print(
        f"{name}: bound in {seconds}, within {bound.gap(bound.front):.4f} points of its "
        f"{len(bound.front):,} subnets, {n_above} of {N_RANDOM:,} random subnets above it; "
        f"{arguments.evaluations:,} evaluations, seeds {arguments.seeds}: fronts beyond their "
        f"fastest tenth {mean.min():.3f} to {mean.max():.3f} points below it in the mean, "
        f"{largest.min():.3f} to {largest.max():.3f} at most",
        flush=True,
    )


def make(name: str, data: Path, seed: int) -> SubnetStudy:
    """A study with a linear accuracy model."""
    table = name if name in PACKAGED else data / DEVICES[name].table
    return optuna_ofa.study("ofa_mbv3_w1.0", accuracy="linear", hardware=table, seed=seed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Bounds of ofa_mbv3_w1.0.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--evaluations", type=int, default=20_000, help="of each search")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the searches")
    return parser.parse_args()


if __name__ == "__main__":
    main()

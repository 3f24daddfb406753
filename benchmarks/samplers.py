"""What the samplers of Optuna find in `study.optimize`, beside ours and beside `search`.

    python benchmarks/samplers.py --seeds 3

Each evaluates the packaged predictors of MobileNetV3 w1.0 (``study.optimize(study.problem)``), for
high top1 and low latency_ms. A cell has the hypervolume over (70 %, 40 ms) after so many trials in
percent of that of a long search, the mean of the seeds, the least and the most. The last column is
seconds a trial over the last tenth of them, predictions included.

    python benchmarks/samplers.py --samplers GPSampler --trials 30 --seeds 1

One that takes seconds for a trial is measured on fewer of them.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
import optuna
from _head import print_head
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy

FAMILY = "ofa_mbv3_w1.0"
REFERENCE = {"top1": 70.0, "latency_ms": 40.0}
N_BEST = 20_000

SAMPLERS: dict[str, Callable[[int], BaseSampler | None]] = {
    "search": lambda seed: None,
    "EvolutionarySampler": lambda seed: None,
    "samplers.NSGAIISampler": lambda seed: optuna_ofa.samplers.NSGAIISampler(
        SearchSpace(FAMILY, resolution=224), seed=seed
    ),
    "TPESampler": lambda seed: TPESampler(seed=seed),
    "NSGAIISampler": lambda seed: NSGAIISampler(seed=seed),
    "NSGAIIISampler": lambda seed: NSGAIIISampler(seed=seed),
    "QMCSampler": lambda seed: QMCSampler(seed=seed),
    "RandomSampler": lambda seed: RandomSampler(seed=seed),
    "GPSampler": lambda seed: GPSampler(seed=seed),
}


def main() -> None:
    """Print a line for each sampler."""
    arguments = _arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print_head()
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    best = optuna_ofa.study(FAMILY, seed=100)
    best.search(until=N_BEST)
    whole = best.front().hypervolume(REFERENCE)
    print(f"{N_BEST:,} evaluations of search: {whole:.1f} points x ms")
    counts = arguments.trials
    print(f"| sampler | {' | '.join(f'{n:,}' for n in counts)} | s a trial |")
    print("|---|" + "---|" * (len(counts) + 1))
    for name in arguments.samplers:
        runs = [_run(name, seed, counts) for seed in range(arguments.seeds)]
        cells = [_spread([100 * found[i] / whole for found, _ in runs]) for i in range(len(counts))]
        seconds = np.mean([seconds for _, seconds in runs])
        print(f"| `{name}` | {' | '.join(cells)} | {seconds:.4f} |", flush=True)


def _run(name: str, seed: int, counts: list[int]) -> tuple[list[float], float]:
    """Return the hypervolume after each number of trials, and seconds a trial at the end."""
    sampler = SAMPLERS[name](seed)
    study = optuna_ofa.study(FAMILY, sampler=sampler, seed=seed if sampler is None else None)
    found, tail = [], max(1, counts[-1] // 10)
    for n in counts:
        _go_on(name, study, n - tail if n == counts[-1] else n)
        if n == counts[-1]:
            start = time.perf_counter()
            _go_on(name, study, n)
            seconds = (time.perf_counter() - start) / tail
        found.append(study.front().hypervolume(REFERENCE))
    return found, seconds


def _go_on(name: str, study: SubnetStudy, total: int) -> None:
    if name == "search":
        study.search(until=total)
    else:
        study.optimize(study.problem, n_trials=max(0, total - len(study.trials)))


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.1f} ({min(values):.1f}-{max(values):.1f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = [name for name in SAMPLERS if name != "GPSampler"]
    parser.add_argument("--samplers", nargs="+", choices=list(SAMPLERS), default=usual)
    parser.add_argument("--trials", nargs="+", type=int, default=[250, 500, 1000])
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    arguments = parser.parse_args()
    arguments.trials.sort()
    return arguments


if __name__ == "__main__":
    main()

"""Trials a second that are in an SQLite file in the end, beside Rustuna's in memory.

    OMP_NUM_THREADS=1 python benchmarks/persisted.py --data ../shared/data

Rustuna's NSGA-II runs in memory, where it writes nothing: with the predictors of this package as
its objective, and with one that costs nothing, which is the most that its sampler and its trials of
46 parameters allow. This package writes its trials into an SQLite file: NSGA-II as published
(`NSGAIISampler`), and the default search, which also estimates ten thousand children a generation;
with the parameters of all trials, and with those of trials that extend the front
(``parameters="front"``). The problem is that of ``search.py``: published accuracy predictor of
MobileNetV3 w1.2, Note10. Everything runs in turns, a turn for each seed; the rates are medians,
with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import rustuna
from _fronts import study
from _head import print_head, spent

from optuna_ofa.problem import Problem
from optuna_ofa.samplers import NSGAIISampler

DEVICE = "note10"
PREDICTED = "Rustuna's NSGA-II in memory, same objective"


def main() -> None:
    """Print a line for each sampler and storage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--trials", type=int, default=20_000, help="of this package")
    parser.add_argument("--rustuna-trials", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print_head()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study(arguments.data, DEVICE, seed=0).search(1_000, progress=False)  # warms everything up
    rates: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(arguments.seeds):
        for name, run in _runs(arguments.data, seed).items():
            n = arguments.rustuna_trials if name.startswith("Rustuna") else arguments.trials
            with spent() as seconds:
                n_bytes = run(n)
            rates.setdefault(name, []).append((n / seconds.cpu, n / seconds.wall, n_bytes / n))
    n, n_peer = arguments.trials, arguments.rustuna_trials
    print(f"{arguments.seeds} seeds; {n:,} trials, {n_peer:,} of Rustuna")
    print(
        "| | trials per CPU second (lowest to highest) | per second | times Rustuna's "
        "| bytes a trial |"
    )
    print("|---|---|---|---|---|")
    peer = statistics.median(cpu for cpu, *_ in rates[PREDICTED])
    for name, found in rates.items():
        cpu, wall, size = (statistics.median(of) for of in zip(*found, strict=True))
        spread = f"{min(found)[0]:,.0f} to {max(found)[0]:,.0f}"
        print(f"| {name} | {cpu:,.0f} ({spread}) | {wall:,.0f} | {cpu / peer:.1f} | {size:,.0f} |")


def _runs(data: Path, seed: int) -> dict[str, Callable[[int], int]]:
    """Return what runs a number of trials, and returns the bytes of their file, by name."""
    problem = study(data, DEVICE).problem
    own: dict[str, Callable[[int], int]] = {
        f"{name} in SQLite, parameters of {words}": partial(
            _search, data, seed=seed, is_nsga2=is_nsga2, parameters=of
        )
        for of, words in (("all", "all trials"), ("front", "the front"))
        for name, is_nsga2 in (("NSGA-II", True), ("default search", False))
    }
    return {
        PREDICTED: partial(_run_rustuna, problem, _predicting(problem), seed),
        "Rustuna's NSGA-II in memory, free objective": partial(
            _run_rustuna, problem, _free(problem), seed
        ),
        **own,
    }


def _run_rustuna(problem: Problem, objective: Callable[[Any], Any], seed: int, n: int) -> int:
    sampler = rustuna.samplers.NSGAIISampler(seed=seed)
    rustuna.create_study(directions=problem.directions, sampler=sampler).optimize(objective, n)
    return 0


def _predicting(problem: Problem) -> Callable[[Any], list[float]]:
    suggest, space = _suggesting(problem), problem.space
    return lambda trial: problem.evaluate(space.from_params([suggest(trial)])).values[0].tolist()


def _free(problem: Problem) -> Callable[[Any], list[float]]:
    suggest = _suggesting(problem)

    def objective(trial: Any) -> list[float]:
        numbers = [*suggest(trial).values()]
        return [float(sum(numbers[::2])), float(sum(numbers[1::2]))]

    return objective


def _suggesting(problem: Problem) -> Callable[[Any], dict[str, Any]]:
    choices = {name: list(of.choices) for name, of in problem.space.distributions.items()}
    return lambda trial: {name: trial.suggest_categorical(name, of) for name, of in choices.items()}


def _search(data: Path, n: int, seed: int, *, is_nsga2: bool, parameters: str) -> int:
    space = study(data, DEVICE).space
    how = {"sampler": NSGAIISampler(space, seed=seed)} if is_nsga2 else {"seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "study.db"
        ours = study(data, DEVICE, storage=f"sqlite:///{file}", parameters=parameters, **how)
        ours.search(n, progress=False)
        return file.stat().st_size


if __name__ == "__main__":
    main()

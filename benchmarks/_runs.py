"""What is asked of a search, and what it did."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from _fronts import Matrix, Values, study

from optuna_ofa.problem._problem import Problem


class Task(NamedTuple):
    """What is asked of a search.

    Args:
        data: Folder of the published files.
        device: Name of the device.
        budgets: Numbers of evaluations after which the clock is read, ascending.
        seed: Seed of the search.
    """

    data: Path
    device: str
    budgets: Sequence[int]
    seed: int


class Run(NamedTuple):
    """Everything that a search evaluated.

    Args:
        matrix: ``(n, n_genes)`` genotypes in the order of their evaluation.
        values: ``(n, 2)`` top1 and latency_ms.
        seconds: Wall clock by number of evaluations.
    """

    matrix: Matrix
    values: Values
    seconds: dict[int, float]


class Recorder:
    """Evaluates for a peer, and remembers what it asked for and when."""

    def __init__(self, task: Task) -> None:
        self.problem: Problem = study(task.data, task.device).problem
        self._budgets = task.budgets
        self._batches: list[tuple[Matrix, Values]] = []
        self._seconds: dict[int, float] = {}
        self._done, self._start = 0, time.perf_counter()

    def __call__(self, matrix: Matrix) -> Values:
        """Top1 and latency_ms of a batch, ``(n, 2)``."""
        values = self.problem.evaluate(matrix).values
        self._batches.append((matrix, values))
        self._done += len(matrix)
        for budget in self._budgets:
            if budget <= self._done:
                self._seconds.setdefault(budget, time.perf_counter() - self._start)
        return values

    def run(self) -> Run:
        """All that was evaluated."""
        matrices, values = zip(*self._batches, strict=True)
        return Run(np.concatenate(matrices), np.concatenate(values), self._seconds)

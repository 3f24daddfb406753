"""The front of what is known, to tell what extends it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts._evaluated import Batch, Results
from optuna_ofa.fronts._pareto import nondominated
from optuna_ofa.problem import Problem


class KnownFront:
    """The front of all predicted trials that are known, to tell which new ones extend it.

    Args:
        problem: What is searched for.
    """

    def __init__(self, problem: Problem) -> None:
        self._signs = problem.signs
        self._values = np.empty((0, len(problem.objectives)))

    def learn(self, results: Results) -> None:
        """Take in trials that are in the study."""
        self._values = self._extended(results)

    def extended_by(self, batch: Batch, others: Results) -> NDArray[np.bool_]:
        """Which of a batch are feasible and dominated by nothing, neither known nor new.

        Args:
            batch: What was predicted.
            others: Trials that were not learnt yet.
        """
        values = np.concatenate([self._extended(others), batch.values * self._signs])
        feasible = np.r_[np.ones(len(values) - len(batch.matrix), dtype=bool), batch.feasible]
        kept = np.zeros(len(values), dtype=bool)
        kept[feasible] = nondominated(values[feasible])
        return kept[len(values) - len(batch.matrix) :]

    def _extended(self, results: Results) -> NDArray[np.float64]:
        new = results.values[results.feasible & ~results.measured] * self._signs
        if len(new) == 0:
            return self._values
        values = np.unique(np.concatenate([self._values, new]), axis=0)
        return values[nondominated(values)]

"""The front of the known trials, and the new ones that extend it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts._pareto import nondominated
from optuna_ofa.problem import Evaluated, Problem


class KnownFront:
    """The front of all predicted trials that are known, to tell which new ones extend it.

    Args:
        problem: What is searched for.
    """

    def __init__(self, problem: Problem) -> None:
        self._signs = problem.signs
        self._values = np.empty((0, len(problem.objectives)))

    def add(self, evaluated: Evaluated) -> None:
        """Add trials of the study; measured ones are skipped."""
        self._values = self._extended(evaluated)

    def extended_by(self, batch: Evaluated, others: Evaluated) -> NDArray[np.bool_]:
        """Return which rows of a batch are feasible and not dominated by any other, known or new.

        Args:
            batch: New predictions.
            others: Trials that were not added yet.
        """
        values = np.concatenate([self._extended(others), batch.values * self._signs])
        feasible = np.r_[np.ones(len(values) - len(batch.matrix), dtype=bool), batch.feasible]
        kept = np.zeros(len(values), dtype=bool)
        kept[feasible] = nondominated(values[feasible])
        return kept[len(values) - len(batch.matrix) :]

    def _extended(self, evaluated: Evaluated) -> NDArray[np.float64]:
        new = evaluated.values[evaluated.feasible & ~evaluated.measured] * self._signs
        if len(new) == 0:
            return self._values
        values = np.unique(np.concatenate([self._values, new]), axis=0)
        return values[nondominated(values)]

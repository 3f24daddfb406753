"""The finished trials of a study, and which of them its search has learnt."""

from __future__ import annotations

import copy

from optuna_ofa.problem import Evaluated, Problem


class Archive:
    """The finished trials of a study, in the order in which they were read.

    Args:
        problem: The problem of the study.
    """

    def __init__(self, problem: Problem) -> None:
        self._parts = [problem.nothing()]
        self._unlearnt = [problem.nothing()]
        self._unwritten = [problem.nothing()]

    def __len__(self) -> int:
        return sum(len(part.numbers) for part in self._parts)

    def all(self) -> Evaluated:
        """Return all trials."""
        if len(self._parts) > 1:
            self._parts = [Evaluated.join(self._parts)]
        return self._parts[0]

    def add(self, evaluated: Evaluated, *, learnt: bool = False) -> None:
        """Add new trials.

        Args:
            evaluated: The trials.
            learnt: Whether the search has already learnt them.
        """
        if len(evaluated.numbers):
            self._parts.append(evaluated)
            if not learnt:
                self._unlearnt.append(evaluated)

    def add_unwritten(self, evaluated: Evaluated) -> None:
        """Add what need not be trials, with the numbers of the next trials: only to be learnt."""
        if len(evaluated.numbers):
            self._unwritten.append(evaluated)

    def unlearnt(self) -> Evaluated:
        """Return what the search has not learnt; of equal numbers the one to learn first."""
        return Evaluated.join([*self._unwritten, *self._unlearnt])

    def fork(self) -> Archive:
        """Return an independent copy."""
        other = copy.copy(self)
        other._parts, other._unlearnt = list(self._parts), list(self._unlearnt)
        other._unwritten = list(self._unwritten)
        return other

    def mark_learnt(self) -> None:
        """Mark all trials as learnt by the search."""
        self._unlearnt, self._unwritten = self._unlearnt[:1], self._unwritten[:1]

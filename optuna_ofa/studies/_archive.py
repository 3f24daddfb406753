"""All finished trials of a study as arrays, each read once."""

from __future__ import annotations

from optuna_ofa.problem import Evaluated, Problem


class Archive:
    """The ledger of an engine: its study's finished trials, in the order in which they were read.

    Args:
        problem: The problem of the study.
    """

    def __init__(self, problem: Problem) -> None:
        self._parts = [problem.nothing()]
        self._unlearnt = [problem.nothing()]

    def all(self) -> Evaluated:
        """Return all trials."""
        if len(self._parts) > 1:
            self._parts = [Evaluated.join(self._parts)]
        return self._parts[0]

    def add(self, evaluated: Evaluated, *, learnt: bool = False) -> None:
        """Add trials that were not there before.

        Args:
            evaluated: The trials.
            learnt: Whether the search has learnt them already.
        """
        if len(evaluated.numbers):
            self._parts.append(evaluated)
            if not learnt:
                self._unlearnt.append(evaluated)

    def unlearnt(self) -> Evaluated:
        """Return the trials that the search has not learnt."""
        return Evaluated.join(self._unlearnt)

    def mark_learnt(self) -> None:
        """Note that the search has learnt all trials."""
        self._unlearnt = self._unlearnt[:1]

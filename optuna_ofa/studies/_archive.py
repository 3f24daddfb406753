"""All results of a study as arrays, each read once."""

from __future__ import annotations

from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import Results


class Archive:
    """The finished trials of a study, in the order in which they came to be known.

    Args:
        problem: What the study searches for.
    """

    def __init__(self, problem: Problem) -> None:
        self._parts = [Results.empty(problem)]
        self._untold = [Results.empty(problem)]

    def all(self) -> Results:
        """Everything that is known."""
        if len(self._parts) > 1:
            self._parts = [Results.join(self._parts)]
        return self._parts[0]

    def add(self, results: Results, *, told: bool = False) -> None:
        """Take in trials.

        Args:
            results: Trials that were not there before.
            told: Whether the sampler knows them.
        """
        if len(results.numbers):
            self._parts.append(results)
            if not told:
                self._untold.append(results)

    def take_untold(self) -> Results:
        """What the sampler was not told, which from now on counts as told."""
        untold = Results.join(self._untold)
        self._untold = [untold.select(slice(0))]
        return untold

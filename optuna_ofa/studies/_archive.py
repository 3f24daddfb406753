"""All results of a study as arrays, each read once."""

from __future__ import annotations

from optuna_ofa.fronts import Results
from optuna_ofa.problem import Problem


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
            told: Whether the search knows them.
        """
        if len(results.numbers):
            self._parts.append(results)
            if not told:
                self._untold.append(results)

    def untold(self) -> Results:
        """What the search was not told."""
        return Results.join(self._untold)

    def mark_told(self) -> None:
        """The search knows everything."""
        self._untold = [self._untold[0].select(slice(0))]

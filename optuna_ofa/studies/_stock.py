"""Subnets that may be measured: predicted trials, and what a search would evaluate next."""

from __future__ import annotations

import bisect
import copy

import numpy as np

from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.problem import Evaluated, Problem, warn_failed
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix

# Proposals among which the first subnets are chosen, and how many more there are for each that was
# measured: otherwise the best of them would soon be used up.
_N_PROPOSED, _FOR_EACH_WANTED, _FOR_EACH_TAKEN = 1000, 4, 20


class Stock:
    """Candidates for measurements, which are kept from one choice to the next.

    They depend on the seed and on the predicted trials, but not on what is measured. A search for
    them is thus continued rather than repeated for every choice, and a new process finds the same.

    Args:
        problem: The problem.
        evolution: The search in its initial state.
        trials: The predicted trials.
        failed: ``(n, n_genes)`` subnets for which a predictor has failed.
    """

    def __init__(
        self, problem: Problem, evolution: Evolution, trials: Evaluated, failed: Matrix
    ) -> None:
        self._problem = problem
        self._made_of = len(trials.numbers), len(failed)
        self._evolution = evolution.fork()
        self._evolution.forbid(failed)
        self._untold: Evaluated | None = trials.select(np.argsort(trials.numbers, kind="stable"))
        self._proposed: list[Evaluated] = []  # a generation each
        self._n_proposed = [0]  # before and after each of them
        self._is_exhausted = False
        self.predicted = trials.once()

    def is_of(self, trials: Evaluated, failed: Matrix) -> bool:
        """Return whether there are no trials but those that these candidates were found from."""
        return self._made_of == (len(trials.numbers), len(failed))

    def fork(self) -> Stock:
        """Return an independent copy."""
        other = copy.copy(self)
        other._evolution, other._proposed = self._evolution.fork(), list(self._proposed)
        other._n_proposed = list(self._n_proposed)
        return other

    def proposals(self, n: int, n_taken: int) -> Evaluated:
        """Return candidates that a search proposes, on predictions that are not stored.

        Args:
            n: How many of them will be measured next.
            n_taken: How many subnets are, were or could not be measured.
        """
        size = max(_N_PROPOSED, _FOR_EACH_WANTED * n) + _FOR_EACH_TAKEN * n_taken
        self._learn()
        while self._n_proposed[-1] < size and not self._is_exhausted:
            self._propose()
        n_parts = bisect.bisect_left(self._n_proposed, size)
        return Evaluated.join([self._problem.nothing(), *self._proposed[:n_parts]])

    def _learn(self) -> None:
        """Let the search learn the predicted trials, which takes time and is not always needed."""
        if self._untold is not None:
            tell_evolution(self._problem, self._evolution, self._untold, proposed=False)
            self._untold = None

    def _propose(self) -> None:
        """Evaluate the next generation."""
        try:
            rows = self._evolution.ask(self._evolution.n_due)
        except SearchSpaceExhaustedError:
            self._is_exhausted = True
            return
        found = predicted(self._problem, rows)
        tell_evolution(self._problem, self._evolution, found)
        self._proposed.append(found)
        self._n_proposed.append(self._n_proposed[-1] + len(rows))


def predicted(problem: Problem, matrix: Matrix) -> Evaluated:
    """Return the subnets for which no predictor fails; others are left out with a warning."""
    attempt = problem.try_evaluate(matrix)
    if attempt.errors:
        warn_failed(attempt.errors, len(matrix))
    return attempt.predicted


def tell_evolution(
    problem: Problem, evolution: Evolution, evaluated: Evaluated, *, proposed: bool = True
) -> None:
    """Tell a search the predictions: costs (smaller is better) and violations.

    Args:
        problem: The problem.
        evolution: The search.
        evaluated: The predictions.
        proposed: Whether they are of what this search has proposed.
    """
    costs = problem.orientation.costs(evaluated.values)
    tell = evolution.tell if proposed else evolution.tell_found
    tell(evaluated.matrix, costs, problem.violations(evaluated))

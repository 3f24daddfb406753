"""What the search of a study learns from its trials: predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers import Evolution
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import Results
from optuna_ofa.studies.storage._snapshot import Snapshot


class Learner:
    """Tells the search what is predicted for every subnet of the study, measured or not.

    Measured values never compete with predicted ones, and what runs is known as long as it
    runs. So a process that starts anew learns the same, in the order of the trials, as one that
    has asked for them, and goes on the same way.

    Args:
        problem: What is searched for; its predictors cover all of its objectives.
        evolution: The search, which passes over what it has been told already.
    """

    def __init__(self, problem: Problem, evolution: Evolution) -> None:
        self._problem, self._evolution = problem, evolution
        self._early: set[int] = set()  # trials that were learnt before they had finished

    def learn(self, results: Results, seen: Snapshot | None = None) -> None:
        """Learn from trials; those that a predictor fails for are not proposed again.

        Args:
            results: Trials that have finished since the last call.
            seen: What runs and has failed, if that was looked at before.

        Raises:
            PredictionError: If a predictor returns something that is no number. Nothing was
                learnt then.
        """
        known = results.select(~results.measured)
        numbers, matrix = self._unpredicted(results.select(results.measured), seen)
        attempt = self._problem.try_evaluate(matrix)
        self._evolution.forbid(matrix[~attempt.done])
        if seen is not None:
            self._evolution.forbid(seen.matrix[~seen.predictable])
            self._early.update(seen.numbers[seen.predictable].tolist())
        values, constraints = attempt.evaluation
        order = np.argsort(np.r_[known.numbers, numbers[attempt.done]], kind="stable")
        self.tell(
            np.concatenate([known.matrix, matrix[attempt.done]])[order],
            np.concatenate([known.values, values])[order],
            np.concatenate([known.constraints, constraints])[order],
        )

    def _unpredicted(
        self, measured: Results, seen: Snapshot | None
    ) -> tuple[NDArray[np.int64], Matrix]:
        """Numbers and subnets of trials without predictions that were not learnt before."""
        numbers, matrix = measured.numbers, measured.matrix
        if seen is not None:
            numbers = np.r_[numbers, seen.numbers[seen.predictable]]
            matrix = np.concatenate([matrix, seen.matrix[seen.predictable]])
        new = np.array([n not in self._early for n in numbers.tolist()], dtype=bool)
        return numbers[new], matrix[new]

    def tell(
        self, matrix: Matrix, values: NDArray[np.float64], constraints: NDArray[np.float64]
    ) -> None:
        """Learn predictions.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            values: ``(n, n_objectives)`` in the metrics' own units.
            constraints: ``(n, n_constraints)``, above 0 where violated, NaN where unknown.
        """
        violations = self._problem.violations(np.nan_to_num(constraints))
        self._evolution.tell(matrix, values * self._problem.signs, violations)

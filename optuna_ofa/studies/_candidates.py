"""Subnets that may be measured next, with their predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import SearchSpaceExhaustedError
from optuna_ofa.samplers import Evolution, nondominated
from optuna_ofa.samplers._told_subnets import absent
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._failed import warn_failed
from optuna_ofa.studies._problem import Problem

# The sampler proposes at least so many subnets where the predicted front has too few.
_N_PROPOSED = 1000


class Candidates(NamedTuple):
    """Subnets with their predictions, each once.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)`` in the metrics' own units.
        constraints: ``(n, n_constraints)``, above 0 where violated.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    constraints: NDArray[np.float64]

    @staticmethod
    def join(parts: Sequence[Candidates]) -> Candidates:
        """All subnets of several; of equal ones the first."""
        joined = Candidates(*(np.concatenate(field) for field in zip(*parts, strict=True)))
        once: dict[bytes, int] = {}
        for i, row in enumerate(joined.matrix):
            once.setdefault(row.tobytes(), i)
        return joined.select(np.fromiter(once.values(), dtype=np.intp, count=len(once)))

    @staticmethod
    def predict(problem: Problem, matrix: Matrix) -> Candidates:
        """Those that the predictors do not fail for, with a warning if some are missing."""
        attempt = problem.try_evaluate(matrix)
        if attempt.errors:
            warn_failed(attempt.errors, len(matrix))
        return Candidates(matrix[attempt.done], *attempt.evaluation)

    def select(self, which: NDArray[np.intp]) -> Candidates:
        """Some of them."""
        return Candidates(self.matrix[which], self.values[which], self.constraints[which])

    def n_on_front(self, problem: Problem, taken: Matrix) -> int:
        """How many of the feasible subnets that none dominates are not taken."""
        feasible = np.flatnonzero(problem.violations(self.constraints) <= 0)
        front = feasible[nondominated(self.values[feasible] * problem.signs)]
        return int(absent(self.matrix[front], taken).sum())


def propose(
    problem: Problem, evolution: Evolution, taken: Matrix, n: int, *, batch: int
) -> Candidates:
    """What the sampler would search next, on predictions that it forgets afterwards.

    Args:
        problem: What is searched for.
        evolution: The sampler's; a copy of it is asked and told.
        taken: Subnets that must not be proposed.
        n: How many are wanted; more are found.
        batch: How many to predict at a time.
    """
    evolution = evolution.fork()
    evolution.forbid(taken)
    found = [Candidates.predict(problem, taken[:0])]
    for _ in range(0, max(_N_PROPOSED, 4 * n), batch):
        try:
            new = Candidates.predict(problem, evolution.ask(batch))
        except SearchSpaceExhaustedError:
            break
        found.append(new)
        violations = problem.violations(new.constraints)
        evolution.tell(new.matrix, new.values * problem.signs, violations)
    return Candidates.join(found)

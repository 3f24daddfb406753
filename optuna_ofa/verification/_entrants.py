"""Subnets to measure, with what is known of their other objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.space import Matrix, SearchSpace, keys_of
from optuna_ofa.verification._trials import Numbers


class Entrants(NamedTuple):
    """Subnets to measure, after those that were measured before.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` canonical genotypes, each once.
        costs: ``(n, k)`` their other objectives, smaller is better, and by how much they violate
            constraints.
        n_before: How many were measured before.
    """

    space: SearchSpace
    matrix: Matrix
    costs: NDArray[np.float64]
    n_before: int = 0

    @property
    def new(self) -> Matrix:
        """The genotypes of those that are to be measured."""
        return self.matrix[self.n_before :]


def entrants(
    problem: Problem, metric: str, matrix: Matrix, numbers: Sequence[Numbers], before: Evaluated
) -> Entrants:
    """Return subnets with their costs in a race on one metric.

    Args:
        problem: The problem.
        metric: The metric that they race on.
        matrix: ``(n, n_genes)`` the subnets to measure.
        numbers: The other metrics of each, measured or predicted.
        before: The subnets that were measured before.
    """
    before = before.select(~np.isin(before.keys, keys_of(matrix)))
    others = {m: of.sign for m, of in problem.objective_metrics.items() if m != metric}
    limited = [m for m in problem.constraints if m != metric]
    new = [
        [
            *(sign * of[m] for m, sign in others.items()),
            *(max(float(problem.excess(m, np.array(of[m]))), 0.0) for m in limited),
        ]
        for of in numbers
    ]
    objectives, constraints = list(problem.objectives), list(problem.constraints)
    columns = [sign * before.values[:, objectives.index(m)] for m, sign in others.items()]
    excess = [before.excess[:, constraints.index(m)] for m in limited]
    columns += [np.maximum(np.nan_to_num(column), 0.0) for column in excess]
    k, n_before = len(others) + len(limited), len(before.matrix)
    old = np.array(columns, dtype=float).reshape(k, n_before).T
    costs = np.concatenate([old, np.array(new, dtype=float).reshape(len(matrix), k)])
    return Entrants(problem.space, np.concatenate([before.matrix, matrix]), costs, n_before)

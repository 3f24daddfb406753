"""Finished trials, and subnets that are about to become some, as arrays."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.problem import MEASURED, PREDICTED, Problem
from optuna_ofa.space import Matrix, absent


class Results(NamedTuple):
    """Finished trials of the space.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)`` in the metrics' own units.
        constraints: ``(n, n_constraints)``, above 0 where violated, NaN where the trial neither
            set the constraint nor has the metric as an objective.
        numbers: ``(n,)`` trial numbers.
        measured: ``(n,)`` whether an objective of the user's own gave the values; otherwise they
            are predictions.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    constraints: NDArray[np.float64]
    numbers: NDArray[np.int64]
    measured: NDArray[np.bool_]

    @staticmethod
    def empty(problem: Problem) -> Results:
        """No trials."""
        return Results(
            np.empty((0, len(problem.space.genes)), dtype=np.int16),
            np.empty((0, len(problem.objectives))),
            np.empty((0, len(problem.constraints))),
            np.empty(0, dtype=np.int64),
            np.empty(0, dtype=bool),
        )

    def select(self, which: NDArray[Any] | slice) -> Results:
        """Some of the rows."""
        m, v, c, n, e = self
        return Results(m[which], v[which], c[which], n[which], e[which])

    @staticmethod
    def join(parts: Sequence[Results]) -> Results:
        """All rows of several, in their order."""
        m, v, c, n, e = zip(*parts, strict=True)
        join = np.concatenate
        return Results(join(m), join(v), join(c), join(n), join(e))

    @property
    def kinds(self) -> NDArray[np.str_]:
        """What the values are, ``(n,)`` of ``"predicted"`` and ``"measured"``."""
        return np.where(self.measured, MEASURED, PREDICTED)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which rows violate no constraint that they set."""
        return np.asarray((np.nan_to_num(self.constraints) <= 0).all(axis=1))


class Batch(NamedTuple):
    """Predictions of a generation, which are to be written.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)`` in the metrics' own units.
        constraints: ``(n, n_constraints)``, above 0 where violated.
        started: When the generation was started, in local time.
        completed: When it was predicted, in local time.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    constraints: NDArray[np.float64]
    started: datetime.datetime
    completed: datetime.datetime

    def select(self, which: NDArray[Any]) -> Batch:
        """Some of the rows."""
        m, v, c, *moments = self
        return Batch(m[which], v[which], c[which], *moments)

    def without(self, matrix: Matrix) -> Batch:
        """The rows whose subnets are not in ``matrix``."""
        return self.select(absent(self.matrix, matrix))

    def numbered(self, numbers: Sequence[int]) -> Results:
        """The results of the trials that were made of the rows."""
        measured = np.zeros(len(self.matrix), dtype=bool)
        return Results(*self[:3], np.array(numbers, dtype=np.int64), measured)

    @property
    def violations(self) -> NDArray[np.float64]:
        """``(n,)`` sums of what violates constraints."""
        return np.asarray(np.maximum(self.constraints, 0.0).sum(axis=1))

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which rows violate no constraint."""
        return np.asarray((self.constraints <= 0).all(axis=1))


def assemble(
    problem: Problem,
    matrix: Matrix,
    values: NDArray[np.float64],
    excess: NDArray[np.float64],
    numbers: NDArray[np.int64],
    measured: NDArray[np.bool_],
) -> Results:
    """Results of trials that set some constraints, ``excess``, and others (NaN) not.

    An objective of the user's own need not set a constraint on a metric that is an objective.
    """
    constraints = np.array(excess)
    for j, name in enumerate(problem.constraints):
        if name in problem.objectives:
            own = problem.excess(name, values[:, problem.objectives.index(name)])
            constraints[:, j] = np.where(np.isnan(excess[:, j]), own, excess[:, j])
    return Results(matrix, values, constraints, numbers, measured)

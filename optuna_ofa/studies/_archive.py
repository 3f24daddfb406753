"""All results of a study as arrays, each read once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.storages import RDBStorage
from optuna.study import Study

from optuna_ofa._errors import InvalidSubnetError
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._read import Row, read_tables, read_trials
from optuna_ofa.studies._subnet_attr import subnet_rows

# of trials that a user's own objective evaluated
EVALUATED = "evaluated"


class Results(NamedTuple):
    """Finished trials of the space.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)`` in the metrics' own units.
        constraints: ``(n, n_constraints)``, above 0 where violated, NaN where the trial neither
            set the constraint nor has the metric as an objective.
        numbers: ``(n,)`` trial numbers.
        kinds: ``(n,)`` what the values are.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    constraints: NDArray[np.float64]
    numbers: NDArray[np.int64]
    kinds: NDArray[np.str_]

    def select(self, which: NDArray[Any] | slice) -> Results:
        """Some of the rows."""
        m, v, c, n, k = self
        return Results(m[which], v[which], c[which], n[which], k[which])

    @staticmethod
    def join(parts: Sequence[Results]) -> Results:
        """All rows of several, in their order."""
        m, v, c, n, k = zip(*parts, strict=True)
        join = np.concatenate
        return Results(join(m), join(v), join(c), join(n), join(k))

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which rows violate no constraint that they set."""
        return np.asarray((np.nan_to_num(self.constraints) <= 0).all(axis=1))


class Archive:
    """The finished trials of a study, in the order in which they came to be known.

    Args:
        problem: What the study searches for.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._parts: list[Results] = [self._results([], [])]
        self._known: set[int] = set()

    def all(self) -> Results:
        """Everything that is known."""
        if len(self._parts) > 1:
            self._parts = [Results.join(self._parts)]
        return self._parts[0]

    def add(self, results: Results) -> None:
        """Take in trials that this process has written itself."""
        self._parts.append(results)
        self._known.update(results.numbers.tolist())

    def update(self, study: Study, storage: RDBStorage | None) -> Results:
        """Read the trials that have finished since the last call, whoever ran them.

        Args:
            study: The study.
            storage: What `relational` returned; it is read directly, 20 times as fast.

        Returns:
            What is new.
        """
        rows = (
            list(read_trials(study, self._known))
            if storage is None
            else list(read_tables(study._study_id, storage, self._known))
        )
        self._known.update(row.number for row in rows)
        ours = [row for row in rows if "subnet" in row.user_attrs]
        plain = [row for row in rows if "subnet" not in row.user_attrs]
        new = [self._from_attrs(ours)] + [self._from_params([row]) for row in plain]
        self._parts += new
        return Results.join(new)

    def _from_attrs(self, rows: list[Row]) -> Results:
        space = self._problem.space
        try:
            genotypes = subnet_rows(space.family, [row.user_attrs["subnet"] for row in rows])
            return self._results(rows, space.check(genotypes))
        except (InvalidSubnetError, KeyError, TypeError, ValueError):
            # one of them is not of the space, such as from before it was restricted
            if len(rows) < 2:
                return self._results([], [])
            half = len(rows) // 2
            return Results.join([self._from_attrs(rows[:half]), self._from_attrs(rows[half:])])

    def _from_params(self, rows: list[Row]) -> Results:
        """Trials of an objective that did not store its subnet."""
        try:
            matrix = self._problem.space.from_params([row.params for row in rows])
        except InvalidSubnetError:
            return self._results([], [])
        return self._results(rows, matrix)

    def _results(self, rows: Sequence[Row], matrix: Iterable[Any]) -> Results:
        n, problem = len(rows), self._problem
        values = np.array([row.values for row in rows], float).reshape(n, len(problem.objectives))
        return Results(
            np.asarray(matrix, dtype=np.int16).reshape(n, len(problem.space.genes)),
            values,
            self._constraints(rows, values),
            np.array([row.number for row in rows], dtype=np.int64),
            np.array([str(row.user_attrs.get("kind", EVALUATED)) for row in rows], dtype="U16"),
        )

    def _constraints(
        self, rows: Sequence[Row], values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        problem = self._problem
        constraints = np.empty((len(rows), len(problem.constraints)))
        for j, name in enumerate(problem.constraints):
            key = f"constraints:{name}"
            column = np.array([row.system_attrs.get(key, math.nan) for row in rows], float)
            if name in problem.objectives:  # an objective of the user's own need not set it
                own = problem.excess(name, values[:, problem.objectives.index(name)])
                column = np.where(np.isnan(column), own, column)
            constraints[:, j] = column
        return constraints

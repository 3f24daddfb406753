"""Evaluated subnets with their known values, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.problem._flaws import numbers_by_name
from optuna_ofa.problem._vocabulary import MEASURED, PREDICTED, Kind
from optuna_ofa.space import Keys, Matrix, absent, first_of_each, keys_of

Array = NDArray[np.float64]


class Evaluated(NamedTuple):
    """Evaluated subnets, in the units and directions of their metrics.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)``.
        excess: ``(n, n_constraints)`` the amount by which each constraint is violated, in the unit
            of its metric: above 0 where violated, NaN where unknown.
        others: ``(n,)`` the largest of a trial's constraints that do not belong to the problem,
            such as those that an objective sets: above 0 where one is violated, NaN where it has
            none.
        std: ``(n, n_objectives)`` standard deviations of the values; NaN where they are not known.
            Those of measured values are the user attribute ``measured_std`` of a trial, by
            metric, which `verify` sets.
        kind: ``(n,)`` the origin of the values: ``"predicted"`` by predictors, ``"measured"`` by a
            custom objective.
        numbers: ``(n,)`` trial numbers; -1 without a trial.
    """

    matrix: Matrix
    values: Array
    excess: Array
    others: Array
    std: Array
    kind: NDArray[np.str_]
    numbers: NDArray[np.int64]

    @staticmethod
    def of(
        matrix: Matrix,
        values: Array,
        excess: Array,
        *,
        kind: Kind | NDArray[np.str_] = PREDICTED,
        others: Array | None = None,
        std: Array | None = None,
        numbers: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> Evaluated:
        """Return subnets with values; whatever is not given is unknown."""
        n = len(matrix)
        return Evaluated(
            matrix,
            values,
            excess,
            np.full(n, np.nan) if others is None else others,
            np.full(values.shape, np.nan) if std is None else std,
            np.full(n, kind) if isinstance(kind, str) else kind,
            np.full(n, -1, np.int64) if numbers is None else np.asarray(numbers, dtype=np.int64),
        )

    @staticmethod
    def join(parts: Sequence[Evaluated]) -> Evaluated:
        """Concatenate the rows of several, at least one, in order."""
        return Evaluated._make(np.concatenate(field) for field in zip(*parts, strict=True))

    def select(self, which: NDArray[Any] | slice) -> Evaluated:
        """Return some of the rows."""
        return Evaluated._make(field[which] for field in self)

    def numbered(self, numbers: Sequence[int]) -> Evaluated:
        """Return the rows with these trial numbers."""
        return self._replace(numbers=np.array(numbers, dtype=np.int64))

    def without(self, matrix: Matrix) -> Evaluated:
        """Return the rows whose subnets are not in ``matrix``."""
        return self.select(absent(self.matrix, matrix))

    def once(self) -> Evaluated:
        """Return the first row of each subnet."""
        return self.select(first_of_each(self.keys))

    @property
    def keys(self) -> Keys:
        """The key of each subnet, ``(n,)``."""
        return keys_of(self.matrix)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """``(n,)`` whether the values were measured."""
        return np.asarray(self.kind == MEASURED)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """``(n,)`` whether all values of a row are finite, and it violates no constraint.

        A constraint whose value is unknown counts as satisfied.
        """
        within = (np.nan_to_num(self.excess) <= 0).all(axis=1) & ~(self.others > 0)
        return np.asarray(within & self.finite)

    @property
    def finite(self) -> NDArray[np.bool_]:
        """``(n,)`` whether all values of a row are finite."""
        return np.asarray(np.isfinite(self.values).all(axis=1))


def std_row(given: object, objectives: Sequence[str]) -> list[float]:
    """Return the standard deviations of a trial's objectives; NaN where they are not known.

    Args:
        given: The attribute of the trial, standard deviations by metric, which any code may set.
        objectives: The objectives.
    """
    known = numbers_by_name(given)
    return [known[name] if known.get(name, -1) >= 0 else np.nan for name in objectives]

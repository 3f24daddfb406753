"""Checks of what a caller has measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies._problem import Problem

# None, or a NaN in a row, says that the measurement failed
Measured = Sequence[float | None] | NDArray[np.float64] | None


def check_values(problem: Problem, values: Iterable[Measured], n: int) -> list[list[float] | None]:
    """One list of objective values for each subnet, None where the measurement failed.

    Raises:
        InvalidArgumentError: If there are not as many rows as subnets, or one row has not as
            many numbers as there are objectives, or an infinite one.
    """
    rows = list(values)
    if len(rows) != n:
        raise InvalidArgumentError(
            f"`values` must have a row for each of {n} subnets, but has {len(rows)}."
        )
    return [_check_row(problem, row, i) for i, row in enumerate(rows)]


def _check_row(problem: Problem, row: Measured, i: int) -> list[float] | None:
    if row is None:
        return None
    names = ", ".join(problem.objectives)
    try:
        numbers = np.atleast_1d(np.asarray(row, dtype=float))  # None becomes NaN
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"`values[{i}]` must be numbers of {names}, but got {row!r}."
        ) from error
    if numbers.shape != (len(problem.objectives),):
        if numbers.shape == (1,) and np.isnan(numbers[0]):  # stands for a row of them
            return None
        raise InvalidArgumentError(
            f"`values[{i}]` must be one number for each of {names}, but got {row!r}."
        )
    if np.isinf(numbers).any():
        raise InvalidArgumentError(
            f"`values[{i}]` must be finite, or NaN or None where the measurement failed, but got "
            f"{numbers.tolist()}."
        )
    return None if np.isnan(numbers).any() else [float(number) for number in numbers]


def check_others(
    problem: Problem, constraints: Mapping[str, Iterable[float]], n: int
) -> dict[str, list[float]]:
    """One list of ``n`` values for each constrained metric that was measured.

    Raises:
        InvalidArgumentError: If a name is no constraint, or an objective, or its values are not
            ``n`` numbers.
    """
    return {name: _check_column(problem, name, c, n) for name, c in constraints.items()}


def _check_column(problem: Problem, name: str, column: Iterable[float], n: int) -> list[float]:
    allowed = [m for m in problem.constraints if m not in problem.objectives]
    if name not in allowed:
        raise InvalidArgumentError(
            f"`constraints` must be of constrained metrics that are no objectives, {allowed}, but "
            f"got {name!r}."
        )
    try:
        numbers = np.asarray(list(column), dtype=float)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"`constraints[{name!r}]` must be {n} numbers, but got {column!r}."
        ) from error
    if numbers.shape != (n,) or np.isinf(numbers).any():
        raise InvalidArgumentError(
            f"`constraints[{name!r}]` must be {n} numbers, NaN where unknown, but got {column!r}."
        )
    return [float(number) for number in numbers]

"""Values that devices return for a subnet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from optuna_ofa._plausible import measured_number, numbers
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import Problem
from optuna_ofa.space import Matrix


class DeviceValues(NamedTuple):
    """The values of one subnet.

    Args:
        objectives: In their order; None where the device has none.
        constraints: Of constrained metrics that are not objectives.
        std: Standard deviations by metric, of those that have one.
        measured: The metrics that the device has measured.
    """

    objectives: list[float] | None
    constraints: dict[str, float]
    std: dict[str, float]
    measured: tuple[str, ...] = ()


def values_of(problem: Problem, row: Matrix, returned: Any, where: str) -> DeviceValues:
    """Return what a device has returned as values of metrics.

    Args:
        problem: The problem.
        row: ``(1, n_genes)`` the subnet.
        returned: Numbers by metric, or the objectives in their order, each alone or with its
            standard deviation; or None or NaN.
        where: What returned it, for messages.

    Raises:
        InvalidArgumentError: If it is something else, an objective is missing, or a metric cannot
            have its value.
    """
    if returned is None or (isinstance(returned, float) and np.isnan(returned)):
        return DeviceValues(None, {}, {})
    given = returned if isinstance(returned, Mapping) else _by_name(problem, returned, where)
    pairs = {name: _pair(problem, name, of, where) for name, of in given.items()}
    measured = tuple(name for name, (value, _) in pairs.items() if value == value)
    for name in problem.objectives:
        if name not in pairs:
            pairs[name] = _exact(problem, name, row, where), np.nan
    row_of_values = [pairs[name][0] for name in problem.objectives]
    return DeviceValues(
        None if np.isnan(row_of_values).any() else row_of_values,
        {m: v for m, (v, _) in pairs.items() if m not in problem.objectives and v == v},
        {m: std for m, (_, std) in pairs.items() if std == std},
        measured,
    )


def _by_name(problem: Problem, returned: Any, where: str) -> dict[str, Any]:
    """Return objectives in their order, each alone or with its standard deviation, by metric."""
    items = returned.tolist() if hasattr(returned, "tolist") else returned
    one_by_one = list(items) if isinstance(items, Sequence) and not isinstance(items, str) else None
    if one_by_one is None or not any(isinstance(item, Sequence) for item in one_by_one):
        one_by_one = numbers(items, where).tolist()
    if len(one_by_one) != len(problem.objectives):
        raise InvalidArgumentError(
            f"{where} must be numbers by metric, or one number for each of "
            f"{', '.join(problem.objectives)}, or None, but got {returned!r:.200}."
        )
    return dict(zip(problem.objectives, one_by_one, strict=True))


def _pair(problem: Problem, name: str, given: Any, where: str) -> tuple[float, float]:
    """Return a value and its standard deviation, NaN where there is none."""
    if name not in problem.metrics:
        raise InvalidArgumentError(
            f"{where} must be of metrics of the study, {', '.join(problem.metrics)}, but has "
            f"{name!r}."
        )
    return measured_number(name, given, f"{where} for {name!r}")


def _exact(problem: Problem, name: str, row: Matrix, where: str) -> float:
    """Return the value of an objective that need not be measured."""
    if not problem.metrics[name].is_exact:
        raise InvalidArgumentError(
            f"{where} must have each objective that is not exact, but lacks {name!r}."
        )
    return float(problem.predict(name, row)[0])

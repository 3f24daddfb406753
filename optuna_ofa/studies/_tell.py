"""The endings of trials whose subnets were measured, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState

from optuna_ofa._plausible import numbers, require_plausible, warn_fractions
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import MEASURED, NOT_MEASURED, Problem, require_in_order, require_measured
from optuna_ofa.storage import Ending, Started
from optuna_ofa.studies._ask import Asked

# None, or a NaN in a row, means that the measurement failed
Measured = Sequence[float | None] | NDArray[np.float64] | None


def endings_of(
    problem: Problem,
    study_name: str,
    asked: Sequence[Asked],
    values: Iterable[Measured],
    constraints: Mapping[str, Iterable[float]],
    where: str = "`values`",
) -> list[Ending]:
    """Return the endings of trials started by `ask_batch`; see `SubnetStudy.tell_batch`.

    Args:
        problem: The problem.
        study_name: The name of the study.
        asked: The trials.
        values: The objectives of each.
        constraints: Other constrained metrics.
        where: Where the values are from, for messages.

    Raises:
        InvalidArgumentError: If a value breaks a rule or fits the predictions only in another
            column, or a trial occurs twice or is of another study.

    Warns:
        ImplausibleValueWarning: Accuracies are probably fractions.
    """
    rows = check_values(problem, values, len(asked))
    others = check_others(problem, constraints, len(asked))
    _check_once(asked, study_name)
    endings = []
    for i, (one, row) in enumerate(zip(asked, rows, strict=True)):
        measured = {name: column[i] for name, column in others.items() if column[i] == column[i]}
        endings.append(_ending(problem, one, row, measured))
    known = [(one, row) for one, row in zip(asked, rows, strict=True) if row is not None]
    require_in_order(
        [dict(zip(problem.objectives, row, strict=True)) for _, row in known],
        [one.predicted for one, _ in known],
        where,
    )
    _warn_fractions(problem, rows, others)
    return endings


def _warn_fractions(
    problem: Problem, rows: Sequence[list[float] | None], others: Mapping[str, list[float]]
) -> None:
    """Warn about columns that are probably fractions."""
    for j, metric in enumerate(problem.objectives):
        column = [row[j] for row in rows if row is not None]
        warn_fractions(metric, column, f"`values[:, {j}]`")
    for metric, column in others.items():
        warn_fractions(metric, column, f"`constraints[{metric!r}]`")


def _ending(
    problem: Problem, one: Asked, row: list[float] | None, measured: Mapping[str, float]
) -> Ending:
    if row is None:
        return Ending(one.trial._trial_id, None, {"kind": MEASURED, "error": NOT_MEASURED}, {})
    objectives = zip(problem.objectives, row, strict=True)
    excess = problem.excess_by_name({**one.predicted, **measured, **dict(objectives)})
    return Ending(one.trial._trial_id, row, {"kind": MEASURED}, excess)


def _check_once(asked: Sequence[Asked], study_name: str) -> None:
    """Refuse trials that occur twice or are of another study."""
    numbers = [one.number for one in asked]
    twice = [number for number in numbers if numbers.count(number) > 1]
    if twice:
        raise InvalidArgumentError(
            f"`asked` must have each subnet once, but trial {twice[0]} occurs "
            f"{numbers.count(twice[0])} times."
        )
    for one in asked:
        if one.study_name != study_name:
            raise InvalidArgumentError(
                f"`asked` must be trials of {study_name!r}, but trial {one.number} is of "
                f"{one.study_name!r}."
            )


def check_endings(asked: Sequence[Asked]) -> Callable[[Mapping[int, Started]], None]:
    """Return a check that all trials, given by their ids, are running trials of the study."""

    def check(started: Mapping[int, Started]) -> None:
        for one in asked:
            trial = started.get(one.trial._trial_id)
            expected = (one.number, one.subnet.to_dict(by_name=True))
            if trial is None or (trial.number, trial.subnet) != expected:
                raise InvalidArgumentError(
                    f"`asked` must be trials of this study's storage, but its trial {one.number} "
                    f"does not have the subnet {one.subnet}."
                )
            if trial.state != TrialState.RUNNING:
                raise InvalidArgumentError(
                    f"`asked` must be running trials, each told once, but trial {one.number} is "
                    f"{trial.state.name}."
                )

    return check


def check_values(problem: Problem, values: Iterable[Measured], n: int) -> list[list[float] | None]:
    """Return a list of objective values for each subnet; None if the measurement failed.

    Raises:
        InvalidArgumentError: If the number of rows is not that of subnets, a row does not have one
            number per objective, or a metric cannot have its value.
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
    given = numbers(row, f"`values[{i}]`")
    if given.shape != (len(problem.objectives),):
        if given.shape == (1,) and np.isnan(given[0]):  # short for a row of NaN
            return None
        raise InvalidArgumentError(
            f"`values[{i}]` must be one number for each of {names}, but got {row!r}."
        )
    if np.isinf(given).any():
        raise InvalidArgumentError(
            f"`values[{i}]` must be finite, or NaN or None where the measurement failed, but got "
            f"{given.tolist()}."
        )
    require_measured(problem.objectives, given.tolist(), f"`values[{i}]`")
    return None if np.isnan(given).any() else given.tolist()


def check_others(
    problem: Problem, constraints: Mapping[str, Iterable[float]], n: int
) -> dict[str, list[float]]:
    """Return ``n`` values of each constrained metric that was measured.

    Raises:
        InvalidArgumentError: If a name is not a constraint, or is an objective, or its values are
            not ``n`` numbers that the metric can have.
    """
    return {name: _check_column(problem, name, c, n) for name, c in constraints.items()}


def _check_column(problem: Problem, name: str, column: Iterable[float], n: int) -> list[float]:
    allowed = [m for m in problem.constraints if m not in problem.objectives]
    if name not in allowed:
        raise InvalidArgumentError(
            f"`constraints` must be of constrained metrics that are not objectives, {allowed}, "
            f"but got {name!r}."
        )
    given = numbers(column, f"`constraints[{name!r}]`")
    if given.shape != (n,) or np.isinf(given).any():
        raise InvalidArgumentError(
            f"`constraints[{name!r}]` must be {n} numbers, NaN where unknown, but got {column!r}."
        )
    require_plausible(name, given, f"`constraints[{name!r}]`")
    return [float(number) for number in given]

"""Values of objectives of the user's own, checked before they are written."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from optuna_ofa._plausible import numbers, warn_fractions
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.problem import MEASURED, PREDICTED, Problem, require_in_order, require_measured

Objective = Callable[[optuna.Trial], float | Sequence[float]]


def checked_objective(problem: Problem, objective: Objective) -> Objective:
    """Return an objective whose values are refused where their metrics cannot have them.

    Args:
        problem: The problem of the study, which is not checked itself.
        objective: An objective of the user's own.
    """
    if isinstance(objective, Problem):
        return objective

    def call(trial: optuna.Trial) -> float | Sequence[float]:
        values = objective(trial)
        require_own(problem, values, trial.params, "The objective's values")
        for key, value in own_attributes(problem, trial.params, trial.user_attrs).items():
            trial.set_user_attr(key, value)
        return values

    return call


def own_attributes(
    problem: Problem, params: dict[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a trial of an objective of the user's own has beside its values.

    Args:
        problem: The problem.
        params: Parameters of the trial.
        known: User attributes that it has already.

    Returns:
        The user attributes ``kind`` and ``subnet``, as far as they are missing; no subnet where
        the parameters are of none.
    """
    found: dict[str, Any] = {"kind": MEASURED}
    with contextlib.suppress(InvalidSubnetError):
        (subnet,) = problem.space.from_matrix(problem.space.from_params([params]))
        found["subnet"] = subnet.to_dict(by_name=True)
    return {key: value for key, value in found.items() if key not in known}


def require_own(problem: Problem, values: Any, params: dict[str, Any], where: str) -> None:
    """Refuse values that the objectives cannot have, or that are in each other's places.

    What is no row of numbers for the objectives is left to Optuna, which fails such trials, and
    infinite values are, with which they enter no front.

    Args:
        problem: The problem.
        values: A number, or one for each objective.
        params: Parameters of the trial.
        where: What gave the values.

    Raises:
        InvalidArgumentError: If a value breaks a rule.

    Warns:
        ImplausibleValueWarning: An accuracy is probably a fraction.
    """
    if values is None:
        return
    row = [v if math.isfinite(v) else math.nan for v in numbers(values, where).tolist()]
    if len(row) != len(problem.objectives):
        return
    require_measured(problem.objectives, row, where)
    told = dict(zip(problem.objectives, row, strict=True))
    require_in_order([told], [_predicted(problem, params)], where)
    for metric, value in told.items():
        warn_fractions(metric, value, where)


def require_trial(problem: Problem, trial: FrozenTrial) -> None:
    """Refuse a trial with values that the objectives cannot have, or parameters of no subnet.

    Raises:
        InvalidArgumentError: If it is finished and a value breaks a rule, or waits and one of its
            parameters is none of the space's choices.
    """
    for name, value in trial.system_attrs.get("fixed_params", {}).items():  # an enqueued one
        known = problem.space.distributions.get(name)
        if known is not None and not _is_choice(value, known.choices):
            raise InvalidArgumentError(
                f"`params[{name!r}]` must be one of {known.choices}, but got {value!r}."
            )
    if trial.values is not None and trial.user_attrs.get("kind") != PREDICTED:
        require_own(problem, trial.values, trial.params, "`trial`")


def _is_choice(value: Any, choices: Sequence[Any]) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    return is_number and value in choices


def _predicted(problem: Problem, params: dict[str, Any]) -> dict[str, float]:
    """Return the predictions of a trial's subnet; none where it has no subnet, or they fail."""
    if len(problem.objectives) < 2:
        return {}
    try:
        matrix = problem.space.from_params([params])
        found = problem.named(problem.evaluate(matrix))[0][0]
    except Exception:  # whatever a predictor raises: nothing is known then
        return {}
    return {m: found[m] for m in problem.objectives if m in found}

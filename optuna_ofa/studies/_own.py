"""Values of custom objectives, checked before they are written."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from optuna_ofa._plausible import numbers, warn_fractions
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.problem import (
    MEASURED,
    PREDICTED,
    Problem,
    constraints_of,
    require_in_order,
    require_measured,
    system_attributes,
)
from optuna_ofa.samplers import row_of
from optuna_ofa.space import is_choice

Objective = Callable[[optuna.Trial], float | Sequence[float]]


def checked_objective(problem: Problem, objective: Objective) -> Objective:
    """Return an objective whose values are refused if their metrics cannot have them.

    With any sampler, its trials get the attributes of `note_own`.

    Args:
        problem: The problem of the study, whose own values are not checked.
        objective: A custom objective, or a problem.
    """

    def call(trial: optuna.Trial) -> float | Sequence[float]:
        values = objective(trial)
        if not isinstance(objective, Problem):
            require_own(problem, values, trial.params, "The objective's values")
        note_own(problem, trial.storage, trial._trial_id, values)
        return values

    return call


def note_own(problem: Problem, storage: BaseStorage, trial_id: int, values: Any) -> None:
    """Set what `own_attributes` returns in a running trial, before Optuna finishes it.

    Args:
        problem: The problem of the study.
        storage: The storage of the study.
        trial_id: The trial.
        values: Its values, as returned by the objective.
    """
    user, system = own_attributes(problem, storage.get_trial(trial_id), values)
    for key, value in user.items():
        storage.set_trial_user_attr(trial_id, key, value)
    for key, value in system.items():
        storage.set_trial_system_attr(trial_id, key, value)


def own_attributes(
    problem: Problem, trial: FrozenTrial, values: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the user attributes of a trial of a custom objective.

    Args:
        problem: The problem of the study.
        trial: The trial, with the attributes that its objective has set.
        values: Its values.

    Returns:
        The user attributes ``kind``, ``subnet`` and ``subnet_text``, and the system attributes of
        the constraints of the problem, if they are missing: no subnet if the parameters do not
        define one, no constraints if Optuna fails the trial because of its values.
    """
    user: dict[str, Any] = {"kind": MEASURED}
    with contextlib.suppress(InvalidSubnetError):
        (subnet,) = problem.space.from_matrix(problem.space.from_params([trial.params]))
        user |= {"subnet": subnet.to_dict(by_name=True), "subnet_text": subnet.text}
    system: dict[str, Any] = {}
    row = _row_of_values(problem, values)
    if row is not None:
        genotype = row_of(problem.space, trial)
        system = system_attributes(problem.all_excess(genotype, row, constraints_of(trial)))
    return _missing(user, trial.user_attrs), _missing(system, trial.system_attrs)


def _missing(attributes: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in known}


def _row_of_values(problem: Problem, values: Any) -> list[float] | None:
    """Return a number for each objective; None if Optuna refuses the values."""
    row = [] if values is None else numbers(values, "`values`").tolist()
    is_complete = len(row) == len(problem.objectives) and not any(map(math.isnan, row))
    return row if is_complete else None


def require_own(problem: Problem, values: Any, params: dict[str, Any], where: str) -> None:
    """Refuse values that the objectives cannot have, or that are exchanged.

    Anything but one number per objective is left to Optuna, which fails such trials. So are
    infinite values, with which a trial is on no front.

    Args:
        problem: The problem.
        values: A number, or one for each objective.
        params: Parameters of the trial.
        where: The source of the values, for messages.

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
    """Refuse a trial with values that the objectives cannot have, or with invalid parameters.

    Raises:
        InvalidArgumentError: If it is finished and a value breaks a rule, or it is waiting and one
            of its parameters is not one of the space's choices.
    """
    for name, value in trial.system_attrs.get("fixed_params", {}).items():  # an enqueued one
        known = problem.space.distributions.get(name)
        if known is not None and not is_choice(value, known.choices):
            raise InvalidArgumentError(
                f"`params[{name!r}]` must be one of {known.choices}, but got {value!r}."
            )
    if trial.values is not None and trial.user_attrs.get("kind") != PREDICTED:
        require_own(problem, trial.values, trial.params, "`trial`")


def _predicted(problem: Problem, params: dict[str, Any]) -> dict[str, float]:
    """Return the predictions for a trial's subnet; empty if there is none, or they fail."""
    if len(problem.objectives) < 2:
        return {}
    try:
        matrix = problem.space.from_params([params])
        found = problem.named(problem.evaluate(matrix))[0][0]
    except Exception:  # any error of a predictor: nothing is known then
        return {}
    return {m: found[m] for m in problem.objectives if m in found}

"""Violations of constraints: one formula, and the two formats that Optuna has had for them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

# System attributes of trials. Optuna 5 writes one `constraints:<name>` per constraint. Earlier
# versions wrote a single list, and Optuna Dashboard (0.21) reads only that list: without it, every
# trial is shown as feasible. So trials with constraints also get a list with one number, their
# total violation. Optuna reads both and names the entry of the list "0"; it compares infeasible
# trials by sums, whose order is unchanged. Feasible trials get the list too, because `GPSampler`
# requires the same number of constraints in all trials.
PREFIX = "constraints:"
LIST_KEY = "constraints"
_NUMBER = re.compile(
    r"[+-]?\d{1,99}(\.\d{0,99})?(e[+-]?\d{1,9})?|-?inf|nan", re.ASCII | re.IGNORECASE
)


def violations(
    excess: NDArray[np.float64], scales: NDArray[np.float64] | float = 1.0
) -> NDArray[np.float64]:
    """Return the total violation of each row, ``(n,)``; 0 where feasible.

    Args:
        excess: ``(n, n_constraints)``, above 0 where violated; NaN counts as satisfied.
        scales: ``(n_constraints,)`` the scale of each constraint: its bound, or 1 in a plain Optuna
            study, which has none.
    """
    return np.asarray(np.maximum(np.nan_to_num(excess) / scales, 0).sum(axis=1))


def violation_of(excess: Mapping[str, float], scales: Mapping[str, float] | None = None) -> float:
    """Return `violations` of one trial, whose constraints and scales are given by name."""
    scales = scales or {}
    return sum(x / scales.get(name, 1.0) for name, x in excess.items() if x > 0)


def listed(excess: Mapping[str, float]) -> list[float]:
    """Return the list of a trial with these constraints."""
    return [float(violation_of(excess))]


def system_attributes(excess: Mapping[str, float]) -> dict[str, float | list[float]]:
    """Return the attributes of a trial's constraints, by name and above 0 where violated."""
    named: dict[str, float | list[float]] = {f"{PREFIX}{name}": x for name, x in excess.items()}
    return {**named, LIST_KEY: listed(excess)} if named else {}


def constraints_of(trial: FrozenTrial) -> Mapping[str, float]:
    """Return the constraints of a trial by name; see `named_constraints`."""
    return named_constraints(trial.system_attrs)


def named_constraints(attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return the constraints among a trial's system attributes, by name.

    Those of the list are named ``"0"``, ``"1"``, ... as in Optuna; they are left out where they
    only repeat that a named one is violated. As in Optuna, NaN and anything that is not a number
    count as violated; numbers written as text are numbers here.
    """
    named = {
        key.removeprefix(PREFIX): _number(value)
        for key, value in attributes.items()
        if key.startswith(PREFIX)
    }
    if any(x > 0 for x in named.values()):
        return named
    numbers = {str(i): _number(x) for i, x in enumerate(attributes.get(LIST_KEY) or ())}
    return {**numbers, **named} if any(x > 0 for x in numbers.values()) else named or numbers


def split_constraints(
    attributes: Mapping[str, Any], names: Sequence[str]
) -> tuple[list[float], float]:
    """Return a trial's constraints with these names, and the largest of all others.

    Args:
        attributes: System attributes of the trial.
        names: The constraints of the problem.

    Returns:
        Above 0 where violated, NaN where the trial has none.
    """
    found = named_constraints(attributes)
    excess = [found.pop(name, math.nan) for name in names]
    return excess, max(found.values(), default=math.nan)


def from_text(value: Any) -> Any:
    """Return the number that a text consists of; any other value as it is.

    Rustuna 0.2 stores constraints as text.
    """
    if not (isinstance(value, str) and _NUMBER.fullmatch(value)):
        return value
    return float(value)


def _number(value: Any) -> float:
    """Return a constraint; infinite if set by hand to something Optuna counts as violated."""
    value = from_text(value)
    is_number = isinstance(value, int | float) and value == value
    return float(value) if is_number else math.inf

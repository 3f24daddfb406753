"""How much trials violate their constraints, in the two formats that Optuna has had for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial

# System attributes of trials. Optuna 5 writes `constraints:<name>`, one each. Before, a list had
# them all, and Optuna Dashboard (0.21) reads nothing else: without it every trial is feasible
# there. So trials that violate constraints get a list of one number as well, their total violation.
# Optuna reads both, and calls it "0"; it compares infeasible trials by sums, whose order stays.
PREFIX = "constraints:"
LIST_KEY = "constraints"


def total_violation(excess: Iterable[float]) -> float:
    """The sum of what is above 0."""
    return sum(max(x, 0.0) for x in excess)


def listed(total: float) -> list[float] | None:
    """What the list of a trial with this total violation has; None where it needs none."""
    return [total] if total > 0 else None


def system_attributes(excess: Mapping[str, float]) -> dict[str, float | list[float]]:
    """What a trial has of its constraints, given by name and above 0 where violated."""
    named: dict[str, float | list[float]] = {f"{PREFIX}{name}": x for name, x in excess.items()}
    noted = listed(total_violation(excess.values()))
    return named if noted is None else {**named, LIST_KEY: noted}


def constraints_of(trial: FrozenTrial) -> Mapping[str, float]:
    """The constraints of a trial by name, above 0 where violated; its list where none has one."""
    attributes = trial.system_attrs.items()
    named = {key.removeprefix(PREFIX): value for key, value in attributes if key.startswith(PREFIX)}
    return named or trial.constraints


def violation_of(trial: FrozenTrial) -> float:
    """How much a trial violates its constraints."""
    return total_violation(constraints_of(trial).values())

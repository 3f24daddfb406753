"""Trials that cannot be read: damaged ones, and those that another program wrote."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeGuard

from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._warnings import warn
from optuna_ofa.problem._constraints import LIST_KEY, PREFIX, from_text
from optuna_ofa.problem._vocabulary import CLAIM

_MOST = 5  # trials that a warning names with their flaws
_LONGEST = 100
_TOO_LARGE = 2**1023  # of whole numbers, which JSON has of any size


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a decoded value is a number; booleans and text are not."""
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    return is_real and not (isinstance(value, int) and abs(value) >= _TOO_LARGE)


def numbers_by_name(value: object) -> dict[str, float]:
    """Return the finite numbers of a mapping that any code may have stored; none of other values.

    Trials have several such attributes: predictions and standard deviations by metric.
    """
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: float(x) for name, x in items if is_number(x) and abs(x) < float("inf")}


def flaw_of(trial: FrozenTrial, n_values: int | None = None) -> str | None:
    """Return why a trial cannot be read; None if it can.

    User attributes are not looked at: who uses one checks it.

    Args:
        trial: The trial as Optuna returns it.
        n_values: How many values a complete trial has; None if any number will do.
    """
    if trial.state == TrialState.COMPLETE:
        values = trial.values
        is_row = isinstance(values, list | tuple) and all(map(is_number, values))
        if not is_row or (n_values or len(values)) != len(values):
            return f"its values must be {n_values or ''} numbers, but are {shown(values)}"
    return flaw_of_attributes(trial.system_attrs)


def flaw_of_attributes(attributes: Mapping[str, Any]) -> str | None:
    """Return which system attribute of a trial is not what Optuna or the package writes there."""
    for key, value in attributes.items():
        if (must := _rule_broken(key, value)) is not None:
            return f"its attribute {key!r} must be {must}, but is {shown(value)}"
    return None


def _rule_broken(key: str, value: Any) -> str | None:
    """Return what a system attribute that the package or Optuna reads must be, if it is not."""
    if key.startswith(PREFIX):
        return None if is_number(from_text(value)) else "a number"
    if key == LIST_KEY:
        is_list = value is None or (isinstance(value, list | tuple) and all(map(is_number, value)))
        return None if is_list else "a list of numbers"
    if key == "fixed_params":
        return None if isinstance(value, Mapping) else "parameters by name"
    if key == CLAIM:
        is_row = isinstance(value, list | tuple) and all(isinstance(x, int) for x in value)
        return None if is_row and all(abs(x) < 2**15 for x in value) else "a list of genes"
    return None


def shown(value: object) -> str:
    """Return a stored value for a message, in its first characters."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class PassedOver:
    """The trials of studies that were passed over; each is named in one warning."""

    def __init__(self) -> None:
        self._known: dict[str | None, set[int]] = {}

    def warn(self, study_name: str | None, flaws: Mapping[int, str]) -> None:
        """Warn about trials that are new here.

        Args:
            study_name: Their study, if it is known.
            flaws: Why each cannot be read, by its number.
        """
        known = self._known.setdefault(study_name, set())
        new = {number: flaw for number, flaw in flaws.items() if number not in known}
        if not new:
            return
        known.update(new)
        study = "the study" if study_name is None else f"the study {study_name!r}"
        warn(
            f"{len(new)} trial{'s' * (len(new) > 1)} of {study} cannot be read and count as "
            f"failed: {flaws_in_words('trial', new)}."
        )


def flaws_in_words(what: str, flaws: Mapping[int, str]) -> str:
    """Return the numbers of rows with what is wrong with the first ones.

    Args:
        what: What has these numbers.
        flaws: Why each cannot be read, by its number.
    """
    named = "; ".join(f"{what} {number}: {flaw}" for number, flaw in [*flaws.items()][:_MOST])
    n_others = max(0, len(flaws) - 2 * _MOST)
    others = ", ".join(str(number) for number in [*flaws][_MOST : 2 * _MOST])
    return named + (f"; also {others}" if others else "") + f" and {n_others} more" * (n_others > 0)

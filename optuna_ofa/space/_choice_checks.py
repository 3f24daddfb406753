"""The rules of a plain table of choices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

import numpy as np

from optuna_ofa._rules import shown
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._choice_gene import Value

# Every trial of a database holds all values of each of its parameters.
MOST_VALUES = 1000
_MOST_PARAMETERS = 1000
_LONGEST = 128
_KINDS = ((bool, "truth values"), ((int, float), "numbers"), (str, "strings"))

Choices = tuple[tuple[str, tuple[Value, ...]], ...]
# name, name of its parent, values of the parent with which it is active
Conditions = tuple[tuple[str, str, tuple[Value, ...]], ...]


def checked_choices(choices: Any) -> Choices:
    """Return the values of each parameter as Python values.

    Args:
        choices: Values by the name of the parameter.

    Raises:
        InvalidArgumentError: If something breaks a rule; names it, the rule and the value.
    """
    if not isinstance(choices, Mapping) or not 1 <= len(choices) <= _MOST_PARAMETERS:
        raise InvalidArgumentError(
            f"`choices` must be a mapping from the name of each parameter, at least one and at "
            f"most {_MOST_PARAMETERS:,}, to its values, but got {shown(choices)}."
        )
    return tuple((checked_name(name), _values(name, of)) for name, of in choices.items())


def checked_name(name: Any, argument: str = "choices") -> str:
    """Return a name that tables, pages and databases can show."""
    fits = isinstance(name, str) and 0 < len(name) <= _LONGEST
    if not fits or not name.isprintable() or name != name.strip():
        raise InvalidArgumentError(
            f"`{argument}` must have printable names of 1 to {_LONGEST} characters without spaces "
            f"at the ends, but got {shown(name)}."
        )
    return str(name)


def _values(name: str, given: Any) -> tuple[Value, ...]:
    where = f"`choices[{name!r}]`"
    if isinstance(given, str | bytes | Mapping | Set) or not isinstance(given, Iterable):
        raise InvalidArgumentError(
            f"{where} must be a sequence of values in their order, but got {shown(given)}."
        )
    values = [v.item() if isinstance(v, np.generic) else v for v in given]
    if not 1 <= len(values) <= MOST_VALUES:
        raise InvalidArgumentError(
            f"{where} must have 1 to {MOST_VALUES:,} values, because every trial stores all of "
            f"them, but got {len(values):,}."
        )
    for value in values:
        if not _is_value(value):
            raise InvalidArgumentError(
                f"{where} must hold finite numbers, printable strings or truth values, but got "
                f"{shown(value)}."
            )
    _require_alike(where, values)
    return tuple(values)


def _is_value(value: Any) -> bool:
    if isinstance(value, str):
        return type(value) is str and value.isprintable()
    if type(value) not in (bool, int, float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63


def _require_alike(where: str, values: Sequence[Value]) -> None:
    kinds = [next(text for of, text in _KINDS if isinstance(value, of)) for value in values]
    if len(set(kinds)) > 1:
        raise InvalidArgumentError(
            f"{where} must hold values of one kind, but got {kinds[0]} and "
            f"{next(kind for kind in kinds if kind != kinds[0])}: {shown(list(values))}."
        )
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise InvalidArgumentError(
            f"{where} must hold different values, but got {twice[0]!r} twice."
        )


def checked_conditions(active: Any, choices: Choices) -> Conditions:
    """Return the conditions with which parameters are active, in the order of the parameters.

    Args:
        active: Parent and its values by the name of the parameter.
        choices: The values of each parameter.

    Raises:
        InvalidArgumentError: As `checked_choices`, or if parameters depend on each other in a
            circle.
    """
    if not isinstance(active, Mapping):
        raise InvalidArgumentError(
            f"`active` must be a mapping from the name of a parameter to (parent, values of the "
            f"parent), but got {shown(active)}."
        )
    known = dict(choices)
    for name in active:
        _require_known("active", name, known)
    found = {name: _condition(name, active[name], known) for name in known if name in active}
    _require_no_circle({name: parent for name, (parent, _) in found.items()})
    return tuple((name, *of) for name, of in found.items())


def _condition(
    name: str, given: Any, known: Mapping[str, tuple[Value, ...]]
) -> tuple[str, tuple[Value, ...]]:
    where = f"active[{name!r}]"
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
        raise InvalidArgumentError(
            f"`{where}` must be (name of the parent, its values with which {name!r} is active), "
            f"but got {shown(given)}."
        )
    parent, values = given
    _require_known(where, parent, known)
    several = isinstance(values, Iterable) and not isinstance(values, str | bytes | Mapping)
    wanted = list(values) if several else [values]
    kept = tuple(value for value in known[parent] if value in wanted)
    if not kept or any(value not in kept for value in wanted):
        raise InvalidArgumentError(
            f"`{where}` must have values of {parent!r}, at least one of {list(known[parent])}, "
            f"but got {shown(values)}."
        )
    return parent, kept


def _require_known(where: str, name: Any, known: Iterable[str]) -> None:
    if not isinstance(name, str) or name not in known:
        hint = did_you_mean(name, known) if isinstance(name, str) else "."
        raise InvalidArgumentError(
            f"`{where}` must name parameters of `choices`, {', '.join(known)}, but got "
            f"{shown(name)}{hint}"
        )


def _require_no_circle(parents: Mapping[str, str]) -> None:
    for name in parents:
        path = [name]
        while path[-1] in parents and path.count(path[-1]) == 1:
            path.append(parents[path[-1]])
        if path.count(path[-1]) > 1:
            circle = path[path.index(path[-1]) :]
            words = ", ".join(f"{one!r} on {other!r}" for one, other in pairwise(circle))
            raise InvalidArgumentError(
                f"`active` must not make parameters depend on each other in a circle, but got "
                f"{words}."
            )

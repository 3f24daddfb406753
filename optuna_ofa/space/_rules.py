"""Rules for the entries of a family's table; each names the field, the rule and the value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError

# the largest integer of a genotype matrix, which has 16 bits
LARGEST = 2**15 - 1


def integer(field: str, value: Any, least: int = 1) -> int:
    """Return a Python integer of at least ``least``.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidArgumentError(
            f"`{field}` must be an integer of {least} or more, but got {value!r}."
        )
    return int(value)


def number(field: str, value: Any) -> int | float:
    """Return a positive, finite Python number, an integer where it is a whole one.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not math.isfinite(value)
        or value <= 0
    ):
        raise InvalidArgumentError(
            f"`{field}` must be a positive, finite number, but got {value!r}."
        )
    whole = float(value)
    return int(whole) if whole.is_integer() else whole


def text(field: str, value: Any, known: Sequence[str] = ()) -> str:
    """Return a text that can be printed, one of the ``known`` ones where there are any.

    Raises:
        InvalidArgumentError: If it is none.
    """
    if known and value not in known:
        raise InvalidArgumentError(
            f"`{field}` must be one of {', '.join(known)}, but got {value!r}."
        )
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise InvalidArgumentError(f"`{field}` must be a text of one line, but got {value!r}.")
    if len(value) > 128:
        raise InvalidArgumentError(
            f"`{field}` must have at most 128 characters, but has {len(value)}: {value!r:.60}."
        )
    return str(value)


def entries(field: str, values: Any, least: int = 1) -> tuple[Any, ...]:
    """Return a tuple of at least ``least`` entries.

    Raises:
        InvalidArgumentError: If it is no sequence, or a shorter one.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InvalidArgumentError(f"`{field}` must be a sequence, but got {values!r}.")
    found = tuple(values)
    if len(found) < least:
        raise InvalidArgumentError(
            f"`{field}` must have {least} or more entries, but got {found!r}."
        )
    return found


def integers(field: str, values: Any, least: int = 1) -> tuple[int, ...]:
    """Return the integers, each of at least ``least``, in their order.

    Raises:
        InvalidArgumentError: If there are none, or others.
    """
    found = entries(field, values)
    return tuple(integer(f"{field}[{i}]", value, least) for i, value in enumerate(found))


def choices(field: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the choices of a gene in ascending order.

    Raises:
        InvalidArgumentError: If one is there twice, or does not fit into a genotype.
    """
    if len(set(values)) < len(values):
        raise InvalidArgumentError(f"`{field}` must be distinct, but got {tuple(values)}.")
    if max(values, default=0) > LARGEST:
        raise InvalidArgumentError(f"`{field}` must be at most {LARGEST}, but got {tuple(values)}.")
    return tuple(sorted(values))


def assign(part: object, **fields: Any) -> None:
    """Set fields of a frozen dataclass to what the rules returned."""
    for name, value in fields.items():
        object.__setattr__(part, name, value)

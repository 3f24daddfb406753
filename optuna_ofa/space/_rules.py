"""Rules for the entries of a family's table; each names the field, the rule and the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._layer import MAX_CHANNELS

# the largest integer of a genotype matrix, which is 16-bit
LARGEST = 2**15 - 1
# upper limit of the channels and classes of a network
MOST = 10**6
_MOST_ENTRIES = 1000


def integer(field: str, value: Any, least: int = 1, most: int = MOST) -> int:
    """Return a Python integer from ``least`` to ``most``.

    Raises:
        InvalidArgumentError: If it is not one.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        large = whole and value > most
        rule = f"at most {most:,}" if large else f"an integer of {least} or more"
        raise InvalidArgumentError(f"`{field}` must be {rule}, but got {_short(value)}.")
    return int(value)


def odd(field: str, value: Any, most: int) -> int:
    """Return a positive odd Python integer up to ``most``.

    Raises:
        InvalidArgumentError: If it is not one.
    """
    if integer(field, value, most=most) % 2 == 0:
        raise InvalidArgumentError(f"`{field}` must be odd, but got {value!r}.")
    return int(value)


def number(field: str, value: Any, below: float = MOST) -> int | float:
    """Return a positive Python number below a limit, as an integer if it is whole.

    Raises:
        InvalidArgumentError: If it is not one.
    """
    real = isinstance(value, Real) and not isinstance(value, bool)
    if not real or not 0 < value < below:
        large = real and value >= below
        rule = f"below {below:,}" if large else "a positive, finite number"
        raise InvalidArgumentError(f"`{field}` must be {rule}, but got {_short(value)}.")
    whole = float(value)
    return int(whole) if whole.is_integer() else whole


def text(field: str, value: Any, known: Sequence[str] = ()) -> str:
    """Return a printable string, which must be one of ``known`` if these are given.

    Raises:
        InvalidArgumentError: If it is not one.
    """
    if known and not (isinstance(value, str) and value in known):
        raise InvalidArgumentError(
            f"`{field}` must be one of {', '.join(known)}, but got {_short(value)}."
        )
    fits = isinstance(value, str) and 0 < len(value) <= 128
    if not fits or not value.isprintable() or value != value.strip():
        raise InvalidArgumentError(
            f"`{field}` must be a string of one line, at most 128 characters, but got "
            f"{_short(value)}."
        )
    return str(value)


def flag(field: str, value: Any) -> bool:
    """Return a truth value.

    Raises:
        InvalidArgumentError: If it is not one.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"`{field}` must be True or False, but got {_short(value)}.")
    return value


def entries(field: str, values: Any, least: int = 1) -> tuple[Any, ...]:
    """Return a tuple of at least ``least`` entries.

    Raises:
        InvalidArgumentError: If it is not a sequence, or is too short.
    """
    try:
        found = None if isinstance(values, str | bytes | Mapping) else tuple(values)
    except TypeError:
        found = None
    if found is None or not least <= len(found) <= _MOST_ENTRIES:
        large = found is not None and len(found) > _MOST_ENTRIES
        rule = f"at most {_MOST_ENTRIES}" if large else f"{least} or more"
        raise InvalidArgumentError(
            f"`{field}` must be a sequence of {rule} entries, but got {_short(values)}."
        )
    return found


def _short(value: Any) -> str:
    """Return a representation of bounded length; ``repr`` fails for huge integers."""
    if isinstance(value, int) and abs(value) > 10**18:
        return "a huge integer"
    return f"{value!r:.100}" if isinstance(value, str) else f"{value!r}"[:100]


def integers(field: str, values: Any, least: int = 1, most: int = MAX_CHANNELS) -> tuple[int, ...]:
    """Return the integers, each from ``least`` to ``most``, in their order.

    Raises:
        InvalidArgumentError: If there are none, or one is not such an integer.
    """
    found = entries(field, values)
    return tuple(integer(f"{field}[{i}]", value, least, most) for i, value in enumerate(found))


def choices(field: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return the choices of a gene in ascending order.

    Raises:
        InvalidArgumentError: If one occurs twice, or does not fit into a genotype.
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

"""Genes of a plain table of choices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna_ofa.space._family import Gene

Value = bool | int | float | str


@dataclass(frozen=True)
class ChoiceGene(Gene):
    """A gene whose integers stand for values of any kind.

    The integer of a value is its index. A conditional gene has 1 more, because 0 means that it is
    inactive.

    Args:
        values: The values, in the order of `choices`.
        parent: Column of the gene that it depends on, or -1 where it is always active.
        active_with: Integers of the parent with which it is active.
    """

    values: tuple[Value, ...] = ()
    parent: int = -1
    active_with: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether its integers are the values themselves."""
        return False

    @property
    def is_conditional(self) -> bool:
        """Whether another gene can switch it off."""
        return self.parent >= 0

    @property
    def is_ordered(self) -> bool:
        """Whether its values have an order: numbers and truth values do, strings do not."""
        return not isinstance(self.values[0], str)

    def value(self, integer: int) -> Any:
        """Return the value of an integer."""
        return self.values[integer - self.choices[0]]

    def integer(self, value: Any) -> int:
        """Return the integer of one of the values."""
        return self._integers[value]

    def find(self, value: Any) -> int | None:
        """Return the integer of a value; None if it is not one of the values."""
        try:
            return self._integers.get(value)
        except TypeError:  # lists are not hashable
            return None

    @cached_property
    def _integers(self) -> dict[Value, int]:
        return dict(zip(self.values, self.choices, strict=True))

"""A plain table of choices: what a search space has in place of a family without a network."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from optuna_ofa._rules import shown
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._choice_checks import (
    Choices,
    Conditions,
    checked_choices,
    checked_conditions,
    checked_name,
)
from optuna_ofa.space._choice_gene import ChoiceGene, Value
from optuna_ofa.space._table import fields_of


@dataclass(frozen=True, repr=False, eq=False)
class ChoiceTable:
    """The parameters of a search space that has no network behind it.

    Two tables are equal if names, values, their order and the conditions are.
    `SearchSpace.of_choices` makes one.

    Args:
        name: Its name, which studies, pages and plots show.
        choices: ``(name, values)`` of each parameter.
        active: ``(name, parent, values)`` of each conditional parameter: the parent and those of
            its values with which it is active.

    Raises:
        InvalidArgumentError: If something breaks a rule, which the message names.
    """

    name: str
    choices: Choices
    active: Conditions = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name(self.name, "name"))
        object.__setattr__(self, "choices", checked_choices(dict(self.choices)))
        active = {name: of for name, *of in self.active}
        object.__setattr__(self, "active", checked_conditions(active, self.choices))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ChoiceTable):
            return NotImplemented
        return self is other or self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"<ChoiceTable {self.name}>"

    def __getstate__(self) -> dict[str, Any]:  # pickles stay small
        return fields_of(self)

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.to_dict())  # in which True is not 1, nor 1 1.0

    @property
    def noun(self) -> str:
        """What a row is called in pages and figures."""
        return "configuration"

    @cached_property
    def fingerprint(self) -> str:
        """The SHA-256 of the table without its name, in 64 hexadecimal digits."""
        content = {**self.to_dict(), "name": ""}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @cached_property
    def genes(self) -> tuple[ChoiceGene, ...]:
        """The columns of a genotype matrix, in the order of the parameters."""
        conditions = {name: of for name, *of in self.active}
        return tuple(
            ChoiceGene(
                name,
                "choice",
                self._integers(name),
                values=values,
                **self._depending(*conditions.get(name, ())),
            )
            for name, values in self.choices
        )

    def _integers(self, name: str) -> tuple[int, ...]:
        """Return the integers of a parameter: from 1 if it is conditional, otherwise from 0."""
        first = int(any(name == conditional for conditional, *_ in self.active))
        return tuple(range(first, first + len(dict(self.choices)[name])))

    def _depending(self, parent: str = "", wanted: Sequence[Value] = ()) -> dict[str, Any]:
        """Return the fields of a gene that depends on a parent; none of one without a parent."""
        if not parent:
            return {}
        of = zip(dict(self.choices)[parent], self._integers(parent), strict=True)
        return {
            "parent": self.columns_by_name[parent],
            "active_with": tuple(integer for value, integer in of if value in wanted),
        }

    @cached_property
    def columns_by_name(self) -> dict[str, int]:
        """The column of each parameter."""
        return {name: j for j, (name, _) in enumerate(self.choices)}

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Columns of the conditional genes: children of unconditional ones, their children, ..."""
        found: list[tuple[int, ...]] = []
        above = {j for j, gene in enumerate(self.genes) if not gene.is_conditional}
        while above:
            below = tuple(j for j, gene in enumerate(self.genes) if gene.parent in above)
            above = set(below)
            found += [below] * bool(below)
        return tuple(found)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """All columns, parents before the genes that depend on them."""
        first = tuple(j for j, gene in enumerate(self.genes) if not gene.is_conditional)
        return sum(self.levels, first)

    def columns(self, kind: str) -> tuple[int, ...]:
        """Return the columns of genes of ``kind``, as `Family.columns` does."""
        return tuple(range(len(self.genes))) if kind == "choice" else ()

    def to_dict(self) -> dict[str, Any]:
        """Return the table, JSON-ready; lists keep the order in any database."""
        return {
            "name": self.name,
            "choices": [[name, list(values)] for name, values in self.choices],
            "active": [[name, parent, list(values)] for name, parent, values in self.active],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ChoiceTable:
        """Read what `to_dict` returned.

        Raises:
            InvalidArgumentError: If it is not such a table, or breaks a rule.
        """
        try:
            return cls(
                data["name"],
                tuple((name, values) for name, values in data["choices"]),
                tuple((name, parent, values) for name, parent, values in data["active"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, InvalidArgumentError):
                raise
            raise InvalidArgumentError(
                f"`data` must be a table of choices, but got {shown(data)}: {error!r:.200}."
            ) from error


def no_architecture(argument: str, name: str) -> str:
    """Return why something cannot be done with a plain table."""
    return (
        f"`{argument}` must have an architecture for this, but {name!r} is a plain table of "
        f"choices without a network behind it: it has no multiply-adds, latency tables, weights, "
        f"exports or drawings."
    )

"""One row of a plain table of choices, as a frozen value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from optuna_ofa._arguments import check_fields, checked
from optuna_ofa._parsing import parse_object
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
)
from optuna_ofa.space._choice_gene import Value
from optuna_ofa.space._choice_table import ChoiceTable, no_architecture


@dataclass(frozen=True, repr=False)
class Configuration(Mapping[str, Value]):
    """The values of the active parameters of a plain table of choices, by name.

    What a `Subnet` is to a supernet: hashable, comparable and always canonical. Inactive parameters
    are left out, so ``configuration["name"]`` raises a KeyError for one, and `get` returns None.

    Args:
        table: The table, `SearchSpace.table`.
        genotype: The row of a genotype matrix.

    Raises:
        InvalidSubnetError: If the row is not of the table.
    """

    table: ChoiceTable
    genotype: tuple[int, ...]
    # follows a configuration in messages about arguments that must be subnets
    explanation = ", a row of a plain table of choices, which has no architecture"

    def __post_init__(self) -> None:
        check_fields(self)
        genes = self.table.genes
        if len(self.genotype) != len(genes):
            raise InvalidSubnetError(
                f"`genotype` must have {len(genes)} integers, but got {len(self.genotype)}."
            )
        row = [int(integer) for integer in self.genotype]
        for j in self.table.order:
            gene = genes[j]
            if gene.is_conditional and row[gene.parent] not in gene.active_with:
                row[j] = 0
            elif row[j] not in gene.choices:
                raise InvalidSubnetError(
                    f"`genotype` must have {gene.name!r} among {gene.choices}, but got {row[j]}."
                )
        object.__setattr__(self, "genotype", tuple(row))

    @classmethod
    @checked
    def of(cls, table: ChoiceTable, values: Mapping[str, Any]) -> Configuration:
        """Return the configuration with these values; those of inactive parameters are ignored.

        Raises:
            InvalidSubnetError: If a name or a value is not of the table, or one is missing.
        """
        genes = table.genes
        unknown = [name for name in values if name not in table.columns_by_name]
        if unknown:
            raise InvalidSubnetError(
                f"`values` must have the names {[gene.name for gene in genes]}, but got "
                f"{unknown[0]!r}."
            )
        row = [0] * len(genes)
        for j in table.order:
            gene = genes[j]
            if gene.is_conditional and row[gene.parent] not in gene.active_with:
                continue
            found = gene.find(values.get(gene.name))
            if found is None:
                raise InvalidSubnetError(
                    f"`values` must have {gene.name!r} among {list(gene.values)}, but got "
                    f"{values.get(gene.name)!r:.100}."
                )
            row[j] = found
        return cls(table, tuple(row))

    def __getitem__(self, name: str) -> Value:
        column = self.table.columns_by_name[name]
        gene, integer = self.table.genes[column], self.genotype[column]
        if not self._is_active(column):
            raise KeyError(name)
        value: Value = gene.value(integer)
        return value

    def __iter__(self) -> Iterator[str]:
        for j, gene in enumerate(self.table.genes):
            if self._is_active(j):
                yield gene.name

    def __len__(self) -> int:
        return sum(map(self._is_active, range(len(self.genotype))))

    def _is_active(self, column: int) -> bool:
        return self.genotype[column] > 0 or not self.table.genes[column].is_conditional

    @property
    def family(self) -> NoReturn:
        """Refuse what needs an architecture.

        Raises:
            InvalidArgumentError: Always.
        """
        raise InvalidArgumentError(no_architecture("subnet", self.table.name))

    def to_dict(self, *, by_name: bool = False) -> dict[str, Any]:
        """Return the table and the values, JSON-ready.

        Args:
            by_name: Whether the table is written as its name only, for places that already hold
                it.
        """
        return {
            "choices": self.table.name if by_name else self.table.to_dict(),
            "values": dict(self),
        }

    @classmethod
    @checked
    def from_dict(cls, data: Mapping[str, Any], table: ChoiceTable | None = None) -> Configuration:
        """Read what `to_dict` wrote.

        Args:
            data: The dict.
            table: The expected table. It is required if ``data`` has only its name.

        Raises:
            FormatError: If it is something else.
            FamilyMismatchError: If it is of another table than ``table``.
            InvalidSubnetError: If a value is not of the table.
        """
        found, values = data.get("choices"), data.get("values")
        if isinstance(found, Mapping):
            own = ChoiceTable.from_dict(found)
        elif table is not None and isinstance(found, str):
            own = table
        else:
            raise FormatError(
                f"`data` must have the table of its choices, or `table` be given, but got "
                f"{data!r:.200}."
            )
        if table is not None and (own != table or found not in (table.name, table.to_dict())):
            raise FamilyMismatchError(
                f"`data` must be of the choices {table.name!r} as they are, but is of others."
            )
        if not isinstance(values, Mapping):
            raise FormatError(f"`data` must have values by name, but got {data!r:.200}.")
        return cls.of(own, values)

    def to_json(self) -> str:
        """Return the configuration as one line of JSON."""
        return json.dumps(self.to_dict())

    @classmethod
    @checked
    def from_json(cls, text: str, table: ChoiceTable | None = None) -> Configuration:
        """Read what `to_json` wrote; see `from_dict`.

        Raises:
            FormatError: If ``text`` is not a JSON object.
        """
        return cls.from_dict(parse_object(text), table)

    def __repr__(self) -> str:
        return f"Configuration({self.text})"

    def __str__(self) -> str:
        return f"{self.table.name}@{self.text}"

    @property
    def text(self) -> str:
        """The active values, without the name of the table: ``layers=3, op=conv``."""
        return values_text(self)


def values_text(values: Mapping[str, Value]) -> str:
    """Return `Configuration.text` of the active values by name."""
    return ", ".join(f"{name}={value}" for name, value in values.items())

"""Reading the table of a family from a file, and comparing it with the expected one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space._choice_table import ChoiceTable
from optuna_ofa.space._families import family_named, known_families
from optuna_ofa.space._family import Family
from optuna_ofa.space._table import differences


def family_from_json(table: Any, where: str = "the table") -> Family:
    """Return the family of a table that `Family.to_dict` gave.

    Args:
        table: The table, or the name of a published family.
        where: What holds it, for messages: ``"family.json"``.

    Raises:
        FormatError: If it is not the table of a family; with the reason.
        FamilyMismatchError: If it has the name of a published family but another table.
    """
    if isinstance(table, str):
        known = family_named(table)
        if known is None:
            raise FormatError(
                f"`family` of {where} must be the table of a family, or the name of a published "
                f"one, but is {table!r:.100}."
            )
        return known
    try:
        _require_published(table, where)
        return Family.from_dict(table)
    except (InvalidArgumentError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise FormatError(
            f"`family` of {where} must be the table of a family, but: {error}"
        ) from error


def _is_table(table: Any) -> bool:
    names = {field.name for field in fields(Family)}
    needed = {field.name for field in fields(Family) if not field.metadata.get("optional")}
    return (
        isinstance(table, Mapping)
        and needed <= table.keys() <= names
        and isinstance(table["name"], str)
    )


def _require_published(table: Any, where: str) -> None:
    """Refuse a table that only has the name of a published family."""
    known = {family.name: family for family in known_families()}
    published = known.get(table["name"]) if _is_table(table) else None
    if published is None:
        return
    found = differences(table, published.to_dict(), f"in {where}", "in the published family")
    if found:
        raise FamilyMismatchError(
            f"`family` of {where} must be the published {published.name}, whose name it has, but "
            f"it differs: {found}."
        )


def table_from_json(table: Any, where: str = "the table") -> Family | ChoiceTable:
    """Return the family or the plain table that `to_dict` of one gave.

    Raises:
        FormatError, FamilyMismatchError: As `family_from_json`.
    """
    if not isinstance(table, Mapping) or "choices" not in table:
        return family_from_json(table, where)
    try:
        return ChoiceTable.from_dict(table)
    except InvalidArgumentError as error:
        raise FormatError(
            f"`family` of {where} must be a table of choices, but: {error}"
        ) from error


def require_family(
    found: Family | ChoiceTable,
    wanted: Family | ChoiceTable,
    argument: str,
    where: str,
    there: str = "in the file",
) -> None:
    """Refuse what was made for another family than the expected one.

    Args:
        found: The family that it was made for.
        wanted: The family that is needed.
        argument: Name of the caller's argument in the message.
        where: What was made for ``found``: the path of a file, or ``"the predictor"``.
        there: Where the values of ``found`` are, for the message.

    Raises:
        FamilyMismatchError: With the differences.
    """
    if found != wanted:
        raise FamilyMismatchError(
            f"`{argument}` must be of {_kind(wanted)} {wanted.name} as it is, but {where} is of "
            f"{'another' if found.name == wanted.name else found.name}: "
            f"{family_differences(found, wanted, there)}."
        )


def other_family(found: Family | ChoiceTable, wanted: Family | ChoiceTable) -> str:
    """Return the name of a family for a message, with the differences if both names are equal."""
    if found.name != wanted.name:
        return found.name
    text = family_differences(found, wanted, "there", f"in the expected {wanted.name}")
    return f"another {found.name}: {text}"


def family_differences(
    theirs: Family | ChoiceTable,
    ours: Family | ChoiceTable,
    there: str = "in the file",
    here: str = "",
) -> str:
    """Return what differs between two families: "stride of stage 2: 1 in the file, 2 in ..."."""
    here = here or f"in {_kind(ours)}"
    return differences(theirs.to_dict(), ours.to_dict(), there, here)


def _kind(table: Family | ChoiceTable) -> str:
    return "the family" if isinstance(table, Family) else "the table"

"""The table of a family as JSON, its hash, and the differences between two tables."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

# most differences or choices in a message; two unlike families have about fifty
_MOST = 6
_PARTS = ("stem", "head")
# the mark of a field that a table leaves out where it has its default
OPTIONAL = {"optional": True}


def fields_of(table: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by their names, without what it has computed and kept."""
    return {field.name: getattr(table, field.name) for field in fields(table)}


def to_table(family: Any) -> dict[str, Any]:
    """Return a family as a JSON object, without the optional fields that have their default."""
    table: dict[str, Any] = json.loads(json.dumps(_plain(family)))
    return table


def _plain(part: Any) -> Any:
    if isinstance(part, tuple):
        return [_plain(entry) for entry in part]
    if not is_dataclass(part):
        return part
    values = [(field, getattr(part, field.name)) for field in fields(part)]
    return {
        field.name: _plain(value)
        for field, value in values
        if not (field.metadata.get("optional") and value == field.default)
    }


def fingerprint(table: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a table without its names, in 64 hexadecimal digits."""
    content = {key: value for key, value in table.items() if key not in ("name", "aliases")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def differences(
    theirs: Mapping[str, Any],
    ours: Mapping[str, Any],
    there: str = "in the file",
    here: str = "in the family",
) -> str:
    """Return what differs between two tables, such as "stride of stage 2: 1 in the file, 2 in ...".

    Args:
        theirs: A table, such as that of a file.
        ours: Another one.
        there: Where the first table is.
        here: Where the second one is.
    """
    first, second = _entries(theirs), _entries(ours)
    every = dict.fromkeys([*first, *second])
    different = [field for field in every if first.get(field) != second.get(field)]
    words = [
        f"{field}: {_value(theirs, first, field)} {there}, {_value(ours, second, field)} {here}"
        for field in different[:_MOST]
    ]
    more = len(different) - _MOST
    return "; ".join(words + ([f"and {more} more"] if more > 0 else []))


def _entries(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a table by their names in messages."""
    if "stages" not in table:  # a plain one
        return _plain_entries(table)
    found = {k: v for k, v in table.items() if k not in (*_PARTS, "stages", "aliases")}
    found["number of stages"] = len(table["stages"])
    for part in _PARTS:
        found |= {f"{key} of the {part}": value for key, value in table[part].items()}
    for i, stage in enumerate(table["stages"], start=1):
        found |= {f"{key} of stage {i}": value for key, value in stage.items()}
    return found


def _plain_entries(table: Mapping[str, Any]) -> dict[str, Any]:
    names = [name for name, _ in table["choices"]]
    return {
        "name": table["name"],
        "parameters": names,
        **{f"choices of {name!r}": values for name, values in table["choices"]},
        **{f"condition of {name!r}": [of, *values] for name, of, values in table["active"]},
    }


def _value(table: Mapping[str, Any], entries: Mapping[str, Any], field: str) -> str:
    if field in entries:
        return _text(entries[field])
    stage = re.search(r" of stage (\d+)$", field)
    there = "stages" in table and (stage is None or int(stage[1]) <= len(table["stages"]))
    return "the default" if there else "none"


def _text(value: Any) -> str:
    if isinstance(value, list):
        words = [str(v) for v in value]
        if len(words) > _MOST:
            words = [*words[:2], "...", words[-1]]
        return words[0] if len(words) == 1 else f"({', '.join(words)})"
    return "none" if value is None else str(value)

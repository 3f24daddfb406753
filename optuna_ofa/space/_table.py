"""The table of a family as JSON, its hash, and the differences between two tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

# most differences or choices in a message; two unlike families have about fifty
_MOST = 6
_PARTS = ("stem", "head")


def to_table(family: Any) -> dict[str, Any]:
    """Return a family as a JSON object."""
    table: dict[str, Any] = json.loads(json.dumps(asdict(family)))
    return table


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
        f"{field}: {_text(first.get(field))} {there}, {_text(second.get(field))} {here}"
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


def _text(value: Any) -> str:
    if isinstance(value, list):
        words = [str(v) for v in value]
        if len(words) > _MOST:
            words = [*words[:2], "...", words[-1]]
        return words[0] if len(words) == 1 else f"({', '.join(words)})"
    return "none" if value is None else str(value)

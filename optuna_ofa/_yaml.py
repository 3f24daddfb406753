"""Parsing YAML that others wrote: plain values only, within limits."""

from __future__ import annotations

import re
from os import PathLike
from typing import Any

import yaml

from optuna_ofa._parsing import MAX_DEPTH, finite, refused, whole

# pure Python, which PyYAML falls back to without libyaml, takes 20 times as long
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
MAX_EVENTS = 500_000 if hasattr(yaml, "CBaseLoader") else 50_000
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parse_yaml(text: str, where: str | PathLike[str], argument: str = "path") -> Any:
    """Return the value of a YAML text of lists, mappings, texts and decimal numbers.

    Refused are all other features of YAML (tags, anchors and aliases, merge keys, directives, keys
    that are not scalars, several documents), keys that a mapping has twice, and what exceeds the
    limits of `parse_json`. Keys are texts. Dates, and numbers with another base than 10, are texts.
    There may be 500,000 keys, values and ends of collections: about 10 MB of a latency table, which
    takes seconds.

    Args:
        text: The text.
        where: The file, for messages.
        argument: Name of the caller's argument that error messages begin with.

    Raises:
        FormatError: If it is not such YAML, or exceeds a limit.
    """
    with refused("YAML", where, argument, yaml.YAMLError):
        # the parser compares each directive with all before it
        if re.search("^%", text, re.MULTILINE):
            raise ValueError("it has a directive")
        tree = _Tree()
        for n, event in enumerate(yaml.parse(text, Loader=_LOADER)):
            if n > MAX_EVENTS:
                raise ValueError(f"it has more than {MAX_EVENTS:,} values; JSON may have more")
            tree.add(event)
        return tree.value


class _Tree:
    """Values built from the events of a parser, without recursion."""

    def __init__(self) -> None:
        self._documents: list[Any] = []
        self._open: list[Any] = [self._documents]  # the collections that are not yet closed
        self._keys: list[str | None] = [None]  # for each of them, the key that awaits its value

    @property
    def value(self) -> Any:
        """The value of the document; None if there is none."""
        return self._documents[0] if self._documents else None

    def add(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.NodeEvent):
            self._require_plain(event)
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            else:
                self._put({} if isinstance(event, yaml.MappingStartEvent) else [])
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self._documents:
            raise ValueError("it has several documents")

    def _require_plain(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            raise ValueError("it has an anchor or an alias")
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise ValueError(f"it has the tag {tag!r:.100}")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        mapping = self._open[-1]
        if isinstance(mapping, list) or self._keys[-1] is not None:
            self._put(event.value if event.style else _value(event.value))
        elif event.value in mapping:
            raise ValueError(f"a mapping has the key {event.value!r:.100} twice")
        elif event.value == "<<":
            raise ValueError("it has a merge key")
        else:
            self._keys[-1] = event.value

    def _put(self, value: Any) -> None:
        parent = self._open[-1]
        if isinstance(parent, list):
            parent.append(value)
        elif self._keys[-1] is None:
            raise ValueError("a key is a list or a mapping")
        else:
            parent[self._keys[-1]] = value
            self._keys[-1] = None
        if isinstance(value, list | dict):
            self._open.append(value)
            self._keys.append(None)
            if len(self._open) > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def _value(text: str) -> Any:
    """Return the value of a text without quotes."""
    if text[:1] in "0123456789+-.":  # true of the empty text too
        if _WHOLE.fullmatch(text):
            return whole(text)
        if _REAL.fullmatch(text):
            return finite(text)
        if text[-4:].lower() in (".inf", ".nan"):
            raise ValueError(f"it has {text[:20]}, which is not finite")
    return _WORDS.get(text.lower(), text) if len(text) < 6 else text

"""Messages of the library reworded for the command line: flags instead of arguments."""

from __future__ import annotations

import argparse
import re
from typing import Any

from optuna_ofa._rules import shown
from optuna_ofa.commands._command import Arguments

# Flags by the names of Python arguments, for commands without a flag of that name. The first flag
# that was given is used, otherwise the first that the command has.
_FLAGS = {
    "constraints": ("within",),
    "family": ("supernet", "table", "folder", "weights", "accuracy", "hardware"),
    "limits": ("within",),
    "loader": ("images",),
    "measure": ("metrics",),
    "n": ("points",),
    "n_trials": ("n",),
    "path": ("out", "table", "folder"),
    "points": ("n",),
    "resolution": ("resolutions",),
    "space": ("supernet", "table", "folder", "accuracy", "hardware"),
    "study_name": ("study",),
    "subnet": ("study",),
    "supernet": ("weights", "table"),
}
_NAME = re.compile(r"`([a-z_][a-z0-9_]*)(?:\[([^\]`]*)\])?`")


class Flags:
    """The flags of one command line, which name the arguments in its errors.

    Args:
        parser: The parser of the command.
        arguments: The parsed arguments.
    """

    def __init__(self, parser: argparse.ArgumentParser, arguments: Arguments) -> None:
        self._arguments = arguments
        self._names = {
            action.dest: max(action.option_strings, key=len, default=action.dest.upper())
            for action in parser._actions
        }

    def message(self, text: str) -> str:
        """Return a message on one line, with the flag whose value it is about.

        A message that begins with an argument, ```hardware` must be ..., but got 'x'.``, becomes
        ``--hardware x: must be ...``. Arguments without a flag lose their backticks.
        """
        text = re.sub(r"; use `[^`]*\([^`]*`", "", " ".join(text.split()))
        head = re.match(rf"{_NAME.pattern} (?=must |needs )", text)
        key = self._key(head[1]) if head else None
        if head is None or key is None:
            return self._with_flags(text)
        shown = self._shown(key, head[2])
        rest = re.sub(r",? or None\b", "", text[head.end() :])
        rest = re.sub(r"^must be None\b", "must be left out", rest)
        if not shown:
            return f"{self._names[key]} {self._with_flags(rest)}"
        rest = self._with_flags(_without(rest, self._values(key, head[2])))
        return f"{self._names[key]}{shown}: {rest}"

    def _with_flags(self, text: str) -> str:
        def replaced(found: re.Match[str]) -> str:
            key = self._key(found[1])
            if key is None:
                return found[0].strip("`")
            return f"{self._names[key]}{self._shown(key, found[2]) if found[2] else ''}"

        return _NAME.sub(replaced, text)

    def _key(self, name: str) -> str | None:
        if name in self._names:
            return name
        keys = [key for key in _FLAGS.get(name, ()) if key in self._names]
        given = [key for key in keys if self._arguments.get(key) not in (None, [], ())]
        return next(iter([*given, *keys]), None)

    def _values(self, key: str, index: str | None) -> list[str]:
        """Return the forms in which a message may contain the value of a flag."""
        value = self._arguments.get(key)
        if key == "within":
            value = dict(value or ()).get((index or "").strip("'\""))
        elif index is not None and index.isdigit() and isinstance(value, list):
            value = value[int(index)]
        return [] if value is None else [shown(value), *_texts(value)]

    def _shown(self, key: str, index: str | None) -> str:
        """Return the value of a flag as it was written, after a space."""
        value = self._arguments.get(key)
        if value is None or value is False or value == []:
            return ""
        if key == "within":
            name = (index or "").strip("'\"")
            pairs = [(m, v) for m, v in value if not name or m == name]
            return "".join(f" {metric}={number:g}" for metric, number in pairs)
        if key == "storage":
            from optuna_ofa._urls import shown_url

            value = shown_url(value)
        return f" {' '.join(_texts(of)[0] for of in _listed(value))}"


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _texts(value: Any) -> list[str]:
    """Return a value as it was written, and as messages may show it."""
    return [f"{value:g}", str(value)] if isinstance(value, float) else [str(value)]


def _without(text: str, values: list[str]) -> str:
    """Return the rest of a message without the value, which is already shown before it."""
    for value in values:
        shortened = re.sub(rf",? but got {re.escape(value)}(?=[.;,]|$)", "", text, count=1)
        if shortened != text:
            return shortened
    return text

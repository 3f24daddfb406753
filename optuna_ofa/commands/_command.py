"""The protocol of a command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

Arguments = dict[str, Any]


class Output(NamedTuple):
    """The output of a command.

    Args:
        text: For people.
        data: The same for machines (JSON), printed instead with ``--json``.
    """

    text: str
    data: dict[str, Any]


def load(*rooms: str) -> None:
    """Import subpackages that take seconds, and say so on a terminal."""
    from optuna_ofa._progress import stage

    with stage("starting"):
        for room in rooms:
            import_module(f"optuna_ofa.{room}")


def _nothing_kept(arguments: Arguments) -> str:
    return ""


class Command(NamedTuple):
    """A command.

    Args:
        name: Its name.
        summary: One line that describes it, without a full stop.
        examples: Command lines with their purposes, shown below the help.
        add_arguments: Adds the command's own arguments to its parser.
        run: Runs the command with the parsed arguments by name. It imports what it needs
            itself, because the module is imported to show the help of any command.
        kept: What to tell a user who interrupts it: what is kept, and what the same command does
            next. Empty if nothing is kept.
    """

    name: str
    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], Output]
    kept: Callable[[Arguments], str] = _nothing_kept

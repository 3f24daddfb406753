"""What a command of the command line is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

Arguments = dict[str, Any]


class Output(NamedTuple):
    """What a command prints.

    Args:
        text: For people.
        data: The same for machines (JSON), printed instead with ``--json``.
    """

    text: str
    data: dict[str, Any]


class Command(NamedTuple):
    """One command.

    Args:
        name: As it is typed.
        summary: One line that says what it does, without a full stop.
        examples: Command lines with what they are for, shown below the help.
        add_arguments: Adds the command's own arguments to its parser.
        run: Does it. Called with the parsed arguments by name; imports what it needs itself,
            because the module is imported to show the help of any command.
    """

    name: str
    summary: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Arguments], Output]

"""docs/command-line.md speaks of every command; what its blocks show is compared in tests/docs."""

from __future__ import annotations

import re
from pathlib import Path

from optuna_ofa.commands._main import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command-line.md"


def test_the_page_has_every_command() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert re.search(rf"^\| .*`{command.name}`", text, re.MULTILINE), command.name

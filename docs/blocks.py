"""The Python blocks of a page, run as a reader types them: ``python docs/blocks.py PAGE``.

A fence ``python`` is code, and a fence ``text output`` below it is what the code prints. In
``text output measured`` numbers and digests may differ, because they are times or depend on the
machine or on images, and a line ``...`` stands for any lines. A fence ``python litert`` needs the
packages of LiteRT, which not every environment has. A fence ``bash`` runs only if it has an output.
The command runs pages and writes what they print into the fences; a test compares.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCES = re.compile(
    r"^```(?P<language>python|bash)(?P<litert> litert)?\n(?P<code>.*?)^```\n"
    r"(?:\n*^```text (?P<kind>output(?: measured)?)\n(?P<output>.*?)^```$)?",
    re.DOTALL | re.MULTILINE,
)
_NUMBER = re.compile(r"\b[0-9a-f]{8}\b|[-+±]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
_ANY = re.escape("...")
_WIDTH = re.compile(r"[ \t─-]+")


@dataclass(frozen=True)
class Block:
    """A block of code, and what a page says that it prints."""

    language: str
    litert: bool
    code: str
    output: str | None
    measured: bool
    span: tuple[int, int]

    def agrees(self, printed: str) -> bool:
        """Return whether the page shows what was printed."""
        if self.output is None:
            return True
        if self.measured:
            pattern = "\n".join(map(re.escape, _shape(self.output))).replace(_ANY, ".*")
            return re.fullmatch(pattern, "\n".join(_shape(printed)), re.DOTALL) is not None
        return _lines(self.output) == _lines(printed)


@dataclass(frozen=True)
class Run:
    """What a block printed, and the value of its last expression."""

    block: Block
    printed: str
    value: Any


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page that run, from top to bottom."""
    return [
        Block(
            found["language"],
            found["litert"] is not None,
            found["code"],
            found["output"],
            found["kind"] == "output measured",
            found.span(),
        )
        for found in _FENCES.finditer(text)
        if found["language"] == "python" or found["output"] is not None
    ]


def run(
    page: str, text: str, names: dict[str, Any] | None = None, *, litert: bool = True
) -> Iterator[Run]:
    """Run the blocks of a page one after the other in the current folder.

    Args:
        page: Its name, for messages.
        text: The page.
        names: What the blocks see and set; None begins with none.
        litert: Whether to run those that need the packages of LiteRT.
    """
    names = {"__name__": "__main__"} if names is None else names
    for i, block in enumerate(blocks(text)):
        if block.litert and not litert:
            continue
        if block.language == "bash":
            yield Run(block, _shell(block.code), None)
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = _execute(block.code, f"{page}, block {i}", names)
        yield Run(block, printed.getvalue(), value)


def filled(page: str, text: str) -> str:
    """Return the page with what its blocks print now."""
    parts, end = [], 0
    for done in run(page, text):
        start, stop = done.block.span
        parts += [text[end:start], _written(done)]
        end = stop
    return "".join([*parts, text[end:]])


def _shell(code: str) -> str:
    """Run commands, those of this environment first, and return what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "-e", "-c", code]
    return subprocess.run(
        command, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _execute(code: str, name: str, names: dict[str, Any]) -> Any:
    """Run code and return the value of its last statement, if that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), name, "eval"), names)


def _written(done: Run) -> str:
    fence = f"{done.block.language} litert" if done.block.litert else done.block.language
    code = f"```{fence}\n{done.block.code}```\n"
    if done.block.output is None and not done.printed:
        return code
    kind = "output measured" if done.block.measured else "output"
    if done.block.measured and done.block.agrees(done.printed):
        printed = done.block.output or ""  # measured before: do not change it for noise
    else:
        printed = "\n".join(_lines(done.printed)) + "\n"
    return f"{code}\n```text {kind}\n{printed}```"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _shape(text: str) -> list[str]:
    return [_WIDTH.sub(" ", _NUMBER.sub("#", line)).strip() for line in _lines(text)]


def main() -> None:
    """Write the outputs of pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    for page in parser.parse_args().pages:
        path, before = page.resolve(), Path.cwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            text = filled(page.as_posix(), path.read_text(encoding="utf-8"))
            os.chdir(before)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

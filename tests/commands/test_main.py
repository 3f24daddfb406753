"""The command line as a whole: help, errors, exit codes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shlex
import struct
import subprocess
import sys
import termios
import warnings
from typing import Any

import pytest

from optuna_ofa.commands import _arguments as names, main
from optuna_ofa.commands._command import Command, Output
from optuna_ofa.commands._export import FORMAT_NAMES
from optuna_ofa.commands._main import COMMANDS, parser
from optuna_ofa.deployment import FORMATS
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import METRICS
from optuna_ofa.profiling import RUNTIMES


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *code.split(), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _does(monkeypatch: pytest.MonkeyPatch, run: Any) -> None:
    """Have one command, ``do``, that runs a function."""
    command = Command("do", "do it", "  optuna-ofa do\n", lambda parser: None, run)
    monkeypatch.setattr("optuna_ofa.commands._main.COMMANDS", (command,))


def test_help_names_every_command_without_importing_torch() -> None:
    code = (
        "import sys\n"
        "from optuna_ofa.commands import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print([m for m in ('torch', 'optuna', 'numpy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *text, imported = done.stdout.strip().split("\n")
    assert imported == "[]"
    assert {command.name for command in COMMANDS} <= {line.strip().split(" ")[0] for line in text}


def test_a_wrong_family_is_one_line_without_a_traceback() -> None:
    done = _python("-m optuna_ofa search --supernet resnet18")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: --supernet resnet18: must be one of")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_of_each_command_has_examples(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command.name, "--help"])
    out = capsys.readouterr().out
    assert f"optuna-ofa {command.name}" in out.split("examples:")[1]
    assert "--json" in out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_examples_parse(command: Command) -> None:
    text = command.examples.replace("\\\n", " ")
    lines = [line.strip() for line in text.split("\n") if line.strip().startswith("optuna-ofa ")]
    assert lines
    for line in lines:
        parser().parse_args(shlex.split(line)[1:])


def test_names_that_help_shows_are_those_of_the_library() -> None:
    assert set(names.RUNTIME_NAMES) == set(RUNTIMES)
    assert tuple(METRICS) == names.METRIC_NAMES
    assert tuple(FORMATS) == FORMAT_NAMES


def test_json_is_printed_instead_of_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _does(monkeypatch, lambda arguments: Output("words", {"n": 1}))
    assert main(["do"]) == 0
    assert main(["do", "--json"]) == 0
    assert capsys.readouterr().out == 'words\n{\n  "n": 1\n}\n'


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InvalidArgumentError("`n` must be 1,\nbut got 2."), 1, "error: n must be 1, but got 2."),
        (FileNotFoundError(2, "No such file", "a.json"), 1, "error: a.json: No such file"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
    ids=["ours", "system", "interrupted"],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    def run(arguments: dict[str, Any]) -> Output:
        raise error

    _does(monkeypatch, run)
    assert main(["do"]) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(text)
    assert (captured.err.count("\n"), captured.out) == (1, "")


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: dict[str, Any]) -> Output:
        raise ZeroDivisionError("a mistake of ours")

    _does(monkeypatch, run)
    with pytest.raises(ZeroDivisionError, match="a mistake"):
        main(["do"])


def test_warnings_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(arguments: dict[str, Any]) -> Output:
        warnings.warn("noisy\ndevice", UserWarning, stacklevel=1)
        return Output("done", {})

    _does(monkeypatch, run)
    assert main(["do"]) == 0
    assert capsys.readouterr().err == "warning: noisy device\n"


def test_a_command_says_on_a_terminal_what_it_does() -> None:
    """And into a pipe nothing but its output."""
    command = [sys.executable, "-m", "optuna_ofa", "search", "--supernet", "ofa_mbv3_w1.0"]
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    with subprocess.Popen([*command, "--n", "50"], stderr=terminal, stdout=subprocess.PIPE) as run:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # at the end
            while part := os.read(master, 65536):
                shown += part
        assert run.wait() == 0
    os.close(master)
    assert all(text in shown for text in (b"opening the study ... ", b"search: ", b"0/50"))
    piped = _python("-m optuna_ofa search --n 50")
    assert (piped.returncode, piped.stderr) == (0, "")

"""Messages name the flag and its value, are made before any work, and say what may be meant."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.commands import main
from optuna_ofa.commands._flags import Flags
from optuna_ofa.commands._main import COMMANDS, parser

SEARCH = ("search", "--supernet", "ofa_mbv3_w1.0")
PROFILE = ("profile", "--supernet", "ofa_mbv3_w1.0")
EXPORT = ("export", "a.onnx", "--format", "onnx", "--weights", "w.pth", "--calibration", "none")


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the one line that a command which is refused prints."""
    try:
        code: Any = main(arguments)
    except SystemExit as end:
        code = end.code
    captured = capsys.readouterr()
    assert (code in (1, 2), captured.out, captured.err.count("\n")) == (True, "", 1)
    return captured.err.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("serach",), "error: serach: must be one of search, .*; did you mean search?"),
        ((*SEARCH, "--hardwre", "x"), "error: --hardwre: unknown; did you mean --hardware?"),
        ((*SEARCH, "--n", "x"), "error: --n: must be a whole number, 0 or more, but got 'x'"),
        ((*SEARCH, "--n", "-1"), "error: --n: must be a whole number, 0 or more, but got '-1'"),
        ((*SEARCH, "--seed", "-1"), "error: --seed: must be a whole number, 0 or more"),
        (("front", "--within", "top1=x"), "error: --within: must be METRIC=VALUE, such as"),
        (("front", "--storage", "a.db"), ".*'a.db'; did you mean sqlite:///a.db?"),
        ((*PROFILE, "--runtime", "torh"), "error: --runtime torh: .*; did you mean torch?"),
        (("profile", "--out", "a.json"), "error: --supernet must be given"),
        (("search",), "error: --supernet must be given if --accuracy and --hardware are not"),
        (
            ("search", "--supernet", "ofa_mbv3_w1"),
            "error: --supernet ofa_mbv3_w1: must be .*; did you mean 'ofa_mbv3_w1.0'?",
        ),
        (
            (*SEARCH, "--hardware", "not10"),
            "error: --hardware not10: must be .*; did you mean 'note10'?",
        ),
        ((*SEARCH, "--hardware", "phone.json"), "error: --hardware phone.json: must be a latency"),
        ((*SEARCH, "--accuracy", "a.json"), "error: --accuracy a.json: must be a predictor, a"),
        (
            (*SEARCH, "--objectives", "top1", "latency"),
            "error: --objectives latency: must be one of .*; did you mean latency_ms?",
        ),
        (("verify", "--points", "0"), "error: --points: must be a whole number, 1 or more, but"),
        ((*SEARCH, "--timeout", "-3"), "error: --timeout: must be a number, 0 or more, but got"),
        ((*SEARCH, "--n", "5", "--until", "9"), "error: --until 9: must be left out with --n"),
        ((*SEARCH, "--resolutions", "100"), "error: --resolutions 100: must be"),
        (("dashboard", "--port", "80000"), "error: --port: must be a port from 0 to 65535, but"),
        (("publish", "--into", "sqlite:///no/v.db"), "error: --into sqlite:///no/v.db: must be in"),
        (
            ("measure", "--supernet", "ofa_mbv3_w1.0", "--pin", "999"),
            "error: --pin 999: must be among the processors of this process",
        ),
        ((*SEARCH, "--within", "latency=9"), "error: --within latency=9: .*; did you mean 'laten"),
        ((*SEARCH, "--within", "latency_ms=-9"), "error: --within latency_ms=-9: must be positive"),
        (
            (*SEARCH, "--within", "latency_ms=1"),
            "error: --within latency_ms=1: must be reachable, but",
        ),
        ((*SEARCH, "--board", "stm32f7"), "error: --board stm32f7: .*; did you mean 'stm32f746'"),
        ((*SEARCH, "--board", "nrf52832"), "error: --board nrf52832: must fit a subnet of the spa"),
        ((*SEARCH, "--resolutions", "0"), "error: --resolutions 0: must be"),
        ((*SEARCH, "--storage", "sqlite:///no/a.db"), "error: --storage sqlite:///no/a.db: must"),
        (
            (*EXPORT, "--subnet", "s.json"),
            "error: --subnet s.json: must be a file, but s.json does not exist",
        ),
        (
            (*EXPORT, "--subnet", "s.json", "--storage", "sqlite:///a.db"),
            "error: --storage sqlite:///a.db: must be left out with --subnet",
        ),
        ((*PROFILE, "--out", "a.json", "--threads", "0"), "error: --threads: must be a whole"),
        ((*PROFILE, "--out", "a.json", "--precision", "x"), "error: --precision x: must be one"),
        (("compare", "--table", "t.json"), "error: --supernet must be given if --table"),
        (
            ("compare", "--supernet", "ofa_mbv3_w1.0", "--table", "t.json"),
            "error: --table t.json: must",
        ),
        (("measure", "--supernet", "ofa_mbv3_w1.0", "--n", "-1"), "error: --n: must be"),
        (("collect", "none", "--out", "t.json"), "error: FOLDER none: must be"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_message_names_the_flag_and_its_value(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    found = _refused(capsys, *arguments)
    assert re.match(message.replace("?", r"\?"), found), found
    assert "`" not in found
    assert not os.listdir()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_arguments_of_python_have_no_backticks(command: Any) -> None:
    text = command.examples.replace("\\\n", " ")
    own = parser().parse_args(text.split("optuna-ofa ")[1].split("\n")[0].split())
    flags = Flags(own.parser, vars(own))
    for name in ("storage", "study_name", "space", "n_trials", "constraints['top1']", "path", "x"):
        message = flags.message(f"`{name}` must be good, and `{name}` is not, but got 'x'.")
        assert "`" not in message
    storage = any("--storage" in action.option_strings for action in own.parser._actions)
    assert ("--storage" in flags.message("`storage` must be good")) is storage


def test_a_password_is_not_shown() -> None:
    url = "postgresql://me:secret@host/nas"
    own = parser().parse_args(["front", "--storage", url])
    message = Flags(own.parser, vars(own)).message("`storage` must be there, but got 'x'.")
    assert message.startswith("--storage postgresql://***@host/nas: must be there")


PLACES = [
    ((*SEARCH, "--plot", "no/a.html"), "--plot no/a.html: must be in a folder that exists, but"),
    ((*SEARCH, "--plot", "a.html"), "--plot a.html: must be a file, but 'a.html' is a folder."),
    ((*SEARCH, "--plot", "a.gif"), "--plot a.gif: must end in .html, .png, .svg or .pdf."),
    (("front", "--plot", "no/a.html"), "--plot no/a.html: must be in a folder that exists, but"),
    (("verify", "--plot", "no/a.html"), "--plot no/a.html: must be in a folder that exists, but"),
    (("report", "no/a.html"), "OUT no/a.html: must be in a folder that exists, but there is no"),
    (("report", "a.html"), "OUT a.html: must be a file, but 'a.html' is a folder."),
    (("report", "r.pdf"), "OUT r.pdf: must end in .html or .htm."),
    ((*PROFILE, "--out", "no/a.json"), "--out no/a.json: must be in a folder that exists, but"),
    ((*PROFILE, "--out", "a.yaml"), "--out a.yaml: must end in .json."),
    ((*PROFILE, "--out", "a.json", "--folder", "f"), "--folder f: must be a folder, but 'f' is a"),
    (("collect", "a.html", "--out", "no/a.json"), "--out no/a.json: must be in a folder that"),
    (("graphs", "no/g", *PROFILE[1:]), "FOLDER no/g: must be in a folder that exists, but there"),
    (("graphs", "f", *PROFILE[1:]), "FOLDER f: must be a folder, but 'f' is a file."),
    (("export", "no/a.onnx", *EXPORT[2:]), "OUT no/a.onnx: must be in a folder that exists, but"),
    (("export", "a.pt2", *EXPORT[2:]), "OUT a.pt2: must end in .onnx for onnx."),
]


@pytest.mark.parametrize(("arguments", "message"), PLACES, ids=lambda value: " ".join(value)[:40])
def test_places_are_checked_before_the_work(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    (tmp_path / "a.html").mkdir()
    (tmp_path / "f").touch()
    monkeypatch.setattr("optuna_ofa.studies.study", work)
    monkeypatch.setattr("optuna_ofa.profiling.profile", work)
    monkeypatch.setattr("optuna_ofa.profiling.export_profile", work)
    monkeypatch.setattr("optuna_ofa.supernet.load_supernet", work)
    assert _refused(capsys, *arguments).startswith(f"error: {message}")
    assert sorted(os.listdir()) == ["a.html", "f"]


def test_a_folder_that_cannot_be_written_to_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = _refused(capsys, *SEARCH, "--plot", "a.html")
    assert found.startswith("error: --plot a.html: must be in a folder that can be written to")

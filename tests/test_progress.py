"""Progress bars: on terminals only, and never still."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable

import pytest

from optuna_ofa import _progress
from optuna_ofa._progress import graph_progress, progress_bar, stage


class _Terminal(io.StringIO):
    """A file that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[True, False], ids=["terminal", "pipe"])
def out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = _Terminal() if request.param else io.StringIO()
    monkeypatch.setattr(_progress, "_INTERVAL", 0.01)
    monkeypatch.setenv("COLUMNS", "80")
    return file


def _wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_a_stage_goes_on_and_leaves_nothing(out: io.StringIO) -> None:
    with contextlib.redirect_stderr(out), stage("reading"):
        if out.isatty():
            assert _wait_for(lambda: out.getvalue().count("reading ... ") > 2)
    last = out.getvalue().split("\r")
    assert last[-1] == ""
    assert "reading" in out.getvalue() if out.isatty() else last == [""]


def test_a_bar_is_drawn_while_nothing_is_counted(out: io.StringIO) -> None:
    with contextlib.redirect_stderr(out), progress_bar("measuring", None, total=3) as bar:
        if out.isatty():
            assert _wait_for(lambda: out.getvalue().count("measuring: ") > 2)
        bar.update(1)
    if out.isatty():
        n = len(out.getvalue())
        time.sleep(0.05)
        assert len(out.getvalue()) == n  # it has ended
    else:
        assert out.getvalue() == ""


def test_a_bar_of_graphs_has_its_total_from_the_start_and_words(out: io.StringIO) -> None:
    shown = graph_progress("writing graphs", None, total=19)
    with contextlib.redirect_stderr(out), shown as bar:
        bar.say("graph 1 of 12 written")
        bar(19, 19, 0.0)
    text = out.getvalue()
    if out.isatty():
        assert "0/19" in text.split("\r")[1]
        assert "graph 1 of 12 written" in text
    else:
        assert text == ""


def test_progress_may_be_shown_or_hidden_anywhere(out: io.StringIO) -> None:
    with contextlib.redirect_stderr(out), progress_bar("hidden", False, total=1):
        pass
    assert out.getvalue() == ""
    with contextlib.redirect_stderr(out), progress_bar("shown", True, total=1):
        pass
    assert "shown" in out.getvalue()


def test_a_hidden_bar_speaks_in_the_visible_one_around_it(out: io.StringIO) -> None:
    with contextlib.redirect_stderr(out), progress_bar("verifying", True, total=3) as bar:
        bar.set_postfix_str("before")
        with (
            progress_bar("measuring", False, total=3) as middle,
            progress_bar("evaluating", False, total=3) as hidden,
        ):
            hidden.say("waiting for 8 of node-2")
            assert bar.postfix == "waiting for 8 of node-2"
            middle.say("")
        assert bar.postfix == "before"
        with progress_bar("training", True, total=3) as shown:
            shown.say("its own words")
        assert bar.postfix == "before"
    with progress_bar("evaluating", False, total=3) as hidden:
        hidden.say("nobody sees it")
    assert "waiting for 8 of node-2" in out.getvalue()
    assert "nobody sees it" not in out.getvalue()

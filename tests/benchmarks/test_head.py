"""``benchmarks/_head.py``: what each benchmark prints first, and its times."""

from __future__ import annotations

import atexit
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("[!_]*.py"))


@pytest.fixture(scope="module")
def module(import_path: Callable[[Path], ModuleType]) -> Any:
    return import_path(FOLDER / "_head.py")


def test_the_head_says_machine_threads_and_load(
    module: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (7.25, 1.0, 1.0))
    at_exit: list[Callable[[], None]] = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    module.print_head()
    line = capsys.readouterr().out
    assert re.fullmatch(
        r"\S.*, \d+ cores; threads: \w+ \S+(, \w+ \S+)*; load 7\.2; Python 3\.\S+, numpy \S+\n",
        line,
    ), line
    (foot,) = at_exit
    foot()
    line = capsys.readouterr().out
    assert re.fullmatch(r"\d+\.\d\d CPU s, \d+\.\d\d s in all; load 7\.2\n", line), line


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_each_benchmark_that_takes_a_time_prints_both(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    takes_time = re.search(r"^import time$|^from _head import .*\bspent\b", text, re.MULTILINE)
    assert not takes_time or re.search(r"^    print_head\(\)", text, re.MULTILINE)


def test_the_threads_of_torch_are_named_where_it_is_imported(module: Any) -> None:
    torch = pytest.importorskip("torch")
    assert f"torch {torch.get_num_threads()}" in module.head()


def test_sleeping_takes_wall_time_alone(module: Any) -> None:
    with module.spent() as seconds:
        time.sleep(0.05)
    assert seconds.wall >= 0.05
    assert 0 <= seconds.cpu < seconds.wall
    assert str(seconds) == f"{seconds.cpu:.2f} CPU s, {seconds.wall:.2f} s"


def test_the_times_are_taken_where_the_block_fails(module: Any) -> None:
    with pytest.raises(ValueError, match="inside"), module.spent() as seconds:
        raise ValueError("inside")
    assert seconds.wall >= 0

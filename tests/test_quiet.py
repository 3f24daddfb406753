"""Silence for exporters leaves the process as it was."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings

import pytest

from optuna_ofa._quiet import silent


def test_nothing_is_printed_by_any_language(capfd: pytest.CaptureFixture[str]) -> None:
    with silent():
        sys.stdout.write("to stdout")
        sys.stderr.write("to stderr")
        os.write(1, b"as C++ does\n")
        os.write(2, b"as C++ does\n")
        warnings.warn("of an exporter", stacklevel=1)
        logging.warning("of an exporter")
    sys.stdout.write("after\n")
    sys.stdout.flush()
    os.write(2, b"after\n")
    assert capfd.readouterr() == ("after\n", "after\n")


def test_the_root_logger_is_as_before() -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with silent():
        root.addHandler(logging.NullHandler())
        root.setLevel(logging.DEBUG)
    assert (root.handlers, root.level) == before


def test_it_ends_with_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="of an exporter"), silent():
        raise ValueError("of an exporter")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def test_threads_do_not_keep_the_silence_of_each_other(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def work() -> None:
        with silent():
            inside.set()
            leave.wait(10)

    first, second = threading.Thread(target=work), threading.Thread(target=work)
    first.start()
    inside.wait(10)
    second.start()
    leave.set()
    first.join()
    second.join()
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"

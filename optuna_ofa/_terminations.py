"""SIGTERM as an exception, so that what a program holds is released."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def terminations_raised() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit` with status 143 in a block; a second one ends the process.

    `kill`, schedulers of clusters and containers send it, and Python would end without unwinding.
    Nothing changes in another thread than the main one, or if the program has a handler of its own.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

"""A Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def interrupts_to(call: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C call a function; the second raises `KeyboardInterrupt` as usual.

    The first raises it as well, at the end, unless something else was raised.
    An interrupt in the middle of a transaction may leave the database locked until the process
    ends. Nothing changes in another thread than the main one, or if the program has a handler of
    its own.

    Args:
        call: The function, which must be reentrant.
    """
    before = signal.getsignal(signal.SIGINT)
    if (
        threading.current_thread() is not threading.main_thread()
        or before is not signal.default_int_handler
    ):
        yield
        return

    called = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        called.set()
        call()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
        if called.is_set():
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)

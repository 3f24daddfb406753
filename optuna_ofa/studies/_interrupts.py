"""A Ctrl-C or SIGTERM that waits for the end of a step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any] | signal.Handlers
_USUAL: tuple[tuple[signal.Signals, _Handler], ...] = (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
)


@contextlib.contextmanager
def interrupts_to(call: Callable[[BaseException], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM call a function; the second of a kind acts as usual.

    The first raises `KeyboardInterrupt`, or `SystemExit` with status 143, at the end, unless
    something else was raised.
    An interrupt in the middle of a transaction may leave the database locked until the process
    ends. Nothing changes in another thread than the main one, or for a signal of which the program
    has a handler of its own.

    Args:
        call: The function, which must be reentrant, of what will be raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    called: list[BaseException] = []
    usual = {of: handler for of, handler in _USUAL if signal.getsignal(of) is handler}

    def handle(number: int, frame: FrameType | None) -> None:
        signal.signal(number, usual[signal.Signals(number)])
        is_ctrl_c = number == signal.SIGINT
        called.append(KeyboardInterrupt() if is_ctrl_c else SystemExit(128 + number))
        call(called[0])

    for of in usual:
        signal.signal(of, handle)
    try:
        yield
        if called:
            raise called[0]
    finally:
        for of, handler in usual.items():
            signal.signal(of, handler)

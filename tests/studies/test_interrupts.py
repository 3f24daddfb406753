"""A Ctrl-C that waits for the end of a step."""

from __future__ import annotations

import signal
import threading

import pytest

from optuna_ofa.studies._interrupts import interrupts_to

pytestmark = pytest.mark.usefixtures("ctrl_c")


def press_ctrl_c() -> None:
    """Call the handler as a Ctrl-C does, without a signal, which could end this process."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


def test_the_first_calls_and_ends_with_an_interrupt() -> None:
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts_to(lambda: calls.append("call")):  # noqa: PT012
        press_ctrl_c()
        calls.append("step")
    assert calls == ["call", "step"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_interrupts_at_once() -> None:
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts_to(lambda: None):  # noqa: PT012
        press_ctrl_c()
        steps.append(1)
        press_ctrl_c()
        steps.append(2)
    assert steps == [1]


def test_a_handler_of_the_program_stays() -> None:
    calls: list[str] = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("own"))
    try:
        with interrupts_to(lambda: calls.append("call")):
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == ["own"]


def test_other_threads_change_nothing() -> None:
    seen: list[object] = []

    def run() -> None:
        with interrupts_to(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]

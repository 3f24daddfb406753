"""A Ctrl-C or SIGTERM that waits for the end of a step."""

from __future__ import annotations

import signal
import threading

import pytest

from optuna_ofa.studies._interrupts import interrupts_to

pytestmark = pytest.mark.usefixtures("usual_signals")


def press_ctrl_c(number: int = signal.SIGINT) -> None:
    """Call the handler as a Ctrl-C does, without a signal, which could end this process."""
    handler = signal.getsignal(number)
    assert callable(handler)
    handler(number, None)


def test_the_first_calls_and_ends_with_an_interrupt() -> None:
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt), interrupts_to(lambda _: calls.append("call")):  # noqa: PT012
        press_ctrl_c()
        calls.append("step")
    assert calls == ["call", "step"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_ends_with_an_exit() -> None:
    calls: list[object] = []
    with pytest.raises(SystemExit) as raised, interrupts_to(calls.append):  # noqa: PT012
        press_ctrl_c(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert raised.value.code == 143
    assert calls == [raised.value]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_second_interrupts_at_once() -> None:
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt), interrupts_to(lambda _: None):  # noqa: PT012
        press_ctrl_c()
        steps.append(1)
        press_ctrl_c()
        steps.append(2)
    assert steps == [1]


def test_a_handler_of_the_program_stays() -> None:
    calls: list[str] = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("own"))
    try:
        with interrupts_to(lambda _: calls.append("call")):
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, before)
    assert calls == ["own"]


def test_other_threads_change_nothing() -> None:
    seen: list[object] = []

    def run() -> None:
        with interrupts_to(lambda _: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]

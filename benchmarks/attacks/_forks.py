"""Run many small tasks in a process that may die of them."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator

MEMORY = 8 << 30


def outcomes(run: Callable[[int], str], tasks: range, limit_s: int) -> Iterator[tuple[int, str]]:
    """Return what ``run`` returned for each task, or ``"died: SIGNAL"`` or ``"hung"``.

    Args:
        run: Takes the number of the task and returns the outcome on one line.
        tasks: The numbers.
        limit_s: Seconds after which a task has hung.
    """
    first = tasks.start
    while first < tasks.stop:
        reads, writes = os.pipe()
        child = os.fork()
        if not child:
            os.close(reads)
            _work(run, range(first, tasks.stop, tasks.step), writes, limit_s)
        os.close(writes)
        with os.fdopen(reads, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                yield first, line.rstrip("\n")
                first += tasks.step
        _, status = os.waitpid(child, 0)
        if first < tasks.stop:
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            name = signal.Signals(number).name if number else f"exit {status >> 8}"
            yield first, "hung" if number == signal.SIGALRM else f"died: {name}"
            first += tasks.step


def _work(run: Callable[[int], str], tasks: range, writes: int, limit_s: int) -> None:
    """Write a line for each task, and end the process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    code = 1
    try:
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        for task in tasks:
            signal.alarm(limit_s)
            line = run(task).replace("\n", " ")[:400]
            signal.alarm(0)
            os.write(writes, f"{line}\n".encode(errors="replace"))
        code = 0
    finally:
        os._exit(code)

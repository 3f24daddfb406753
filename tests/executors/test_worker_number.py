"""Numbers of workers on a host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from optuna_ofa.executors import worker_number

CODE = """
import sys
from optuna_ofa.executors import worker_number
print(worker_number(), worker_number(), flush=True)
sys.stdin.read()
"""


def start(tmp: str) -> tuple[subprocess.Popen[str], int]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "TMPDIR": tmp}
    process = subprocess.Popen([sys.executable, "-c", CODE], env=environment, **pipes)  # type: ignore[call-overload]
    first, second = process.stdout.readline().split()
    assert first == second
    return process, int(first)


def test_the_lowest_number_that_no_living_process_has(tmp_path: os.PathLike[str]) -> None:
    found = [start(str(tmp_path)) for _ in range(3)]
    assert [number for _, number in found] == [0, 1, 2]
    found[1][0].send_signal(signal.SIGKILL)
    found[1][0].wait()
    found.append(start(str(tmp_path)))
    assert found[-1][1] == 1
    for process, _ in found:
        process.kill()
        process.communicate()


def test_it_stays_the_same() -> None:
    assert worker_number() == worker_number() >= 0


def test_threads_have_their_own_which_are_free_when_they_end() -> None:
    """Those of a pool are workers too, each with a GPU."""
    together = threading.Barrier(3, timeout=60)

    def number(_: int) -> int:
        own = worker_number()
        together.wait()
        assert worker_number() == own
        return own

    found = []
    for _ in range(2):
        with ThreadPoolExecutor(3) as pool:
            found.append(sorted(pool.map(number, range(3))))
    assert found[0] == found[1]
    assert len({worker_number(), *found[0]}) == 4

"""Numbers of workers on a host."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("n", [2])
def test_threads_of_a_process_share_it(n: int) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(n) as pool:
        assert set(pool.map(lambda _: worker_number(), range(n))) == {worker_number()}

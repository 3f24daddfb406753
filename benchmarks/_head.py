"""What each benchmark prints first, and both of the times that it prints."""

from __future__ import annotations

import atexit
import os
import platform
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_OTHERS = (("family", "cpu family"), ("model", "model"))  # cloud machines share a name


def print_head() -> None:
    """Print the machine, the threads of the numerical libraries and the load, and both times last.

    The last line has the CPU and wall seconds of the whole run from here, and the load at the end.
    """
    print(head(), flush=True)
    seconds = Spent()

    def print_foot() -> None:
        seconds.end()
        print(f"{seconds} in all; load {os.getloadavg()[0]:.1f}")

    atexit.register(print_foot)


def head() -> str:
    """Return that line.

    The load is that of the last minute; on a machine with less than one idle core wall times say
    little.
    """
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {n_cores} cores; threads: {_threads()}; load "
        f"{os.getloadavg()[0]:.1f}; Python {platform.python_version()}, numpy {np.__version__}"
    )


class Spent:
    """Seconds that a block took: `wall` of the clock, `cpu` of all threads of this process."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self.wall = self.cpu = float("nan")  # until the block has ended

    def end(self) -> None:
        """Take both times."""
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu

    def __str__(self) -> str:
        return f"{self.cpu:.2f} CPU s, {self.wall:.2f} s"


@contextmanager
def spent() -> Iterator[Spent]:
    """Measure a block::

    with spent() as seconds:
        study.search(1_000)
    print(f"search of 1,000: {seconds}")  # search of 1,000: 0.52 CPU s, 0.61 s
    """
    seconds = Spent()
    try:
        yield seconds
    finally:
        seconds.end()


def _processor() -> str:
    """Return the processor's name, without importing the package and all that it imports."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", text, re.MULTILINE))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    others = ((words, fields.get(name)) for words, name in _OTHERS)
    return " ".join([fields["model name"], *(f"{words} {it}" for words, it in others if it)])


def _threads() -> str:
    """Return the threads of BLAS and torch, which are what the environment and the cores say."""
    found = {}
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        found["BLAS"] = os.environ.get("OMP_NUM_THREADS", "all")
    else:
        found = {pool["internal_api"]: pool["num_threads"] for pool in threadpool_info()}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_num_threads()
    return ", ".join(f"{name} {n}" for name, n in found.items())

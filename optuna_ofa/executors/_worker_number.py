"""The number of this process among the workers of its host."""

from __future__ import annotations

import functools
import itertools
import os
from typing import IO

from optuna_ofa._host_locks import lock_file, try_lock


def worker_number() -> int:
    """Return the lowest number from 0 that no other living worker of this host and user has.

    It is the same for all calls in a process, and free again when the process ends, however it
    ends: until then a lock is held on a file in the folder of temporary files. A process that has
    not called this has no number.

    Raises:
        MeasurementError: If the folder of temporary files cannot be written to.
    """
    return _taken(os.getpid())[0]  # a forked process is another worker


@functools.cache
def _taken(pid: int) -> tuple[int, IO[bytes]]:
    """Return the number of this process, and the file whose lock it holds."""
    for number in itertools.count():
        file = lock_file(f"worker-{number}")
        if try_lock(file):
            return number, file
        file.close()
    raise AssertionError("numbers do not end")

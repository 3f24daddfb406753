"""The number of a worker, a thread of a process, among those of its host."""

from __future__ import annotations

import itertools
import os
import threading
from typing import IO

from optuna_ofa._host_locks import lock_file, try_lock


class _Number:
    """A number, which is free again when this is deleted or the process ends, however it ends.

    Args:
        number: The number.
        file: The file whose lock holds it.
    """

    def __init__(self, number: int, file: IO[bytes]) -> None:
        self.number, self.pid = number, os.getpid()
        self._file = file

    def __del__(self) -> None:
        self._file.close()


_own = threading.local()


def worker_number() -> int:
    """Return the lowest number from 0 that no other living worker of this host and user has.

    It is the same for all calls in a thread, and free again when the thread or its process ends:
    until then a lock is held on a file in the folder of temporary files. A thread that has not
    called this has no number.

    Raises:
        MeasurementError: If the folder of temporary files cannot be written to.
    """
    own: _Number | None = getattr(_own, "number", None)
    if own is None or own.pid != os.getpid():  # a forked process is another worker
        own = _own.number = _taken()
    return own.number


def _taken() -> _Number:
    for number in itertools.count():
        file = lock_file(f"worker-{number}")
        if try_lock(file):
            return _Number(number, file)
        file.close()
    raise AssertionError("numbers do not end")

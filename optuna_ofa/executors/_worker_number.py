"""The number of this process among the workers of its host."""

from __future__ import annotations

import functools
import itertools
import os
import sys
import tempfile
from pathlib import Path
from typing import IO

from optuna_ofa.exceptions import MeasurementError


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
    user = os.getuid() if sys.platform != "win32" else 0
    for number in itertools.count():
        path = Path(tempfile.gettempdir()) / f"optuna-ofa-{user}-worker-{number}.lock"
        try:
            file = path.open("ab")
        except OSError as error:
            raise MeasurementError(
                f"The number of this worker cannot be determined, because {str(path)!r} cannot be "
                f"written: {error}."
            ) from error
        if _locks(file):
            return number, file
        file.close()
    raise AssertionError("numbers do not end")


def _locks(file: IO[bytes]) -> bool:
    """Lock a file; return False if another process holds its lock."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

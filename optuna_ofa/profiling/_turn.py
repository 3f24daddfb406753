"""Turns of processes on one host, which would disturb each other."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from optuna_ofa.exceptions import MeasurementError

_WAIT_S = 0.05  # between two tries on Windows, whose locks cannot be waited for


@contextlib.contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait until no other process or thread of this host and user is in such a block.

    A lock on a file in the folder of temporary files is held in the block, so a process that is
    killed ends its turn. Containers with temporary folders of their own do not see each other.

    Args:
        name: What is done; blocks of other names do not wait for each other.

    Raises:
        MeasurementError: If the file cannot be written.
    """
    user = os.getuid() if sys.platform != "win32" else 0
    path = Path(tempfile.gettempdir()) / f"optuna-ofa-{user}-{name}.lock"
    try:
        file = path.open("ab")
    except OSError as error:
        raise MeasurementError(
            f"{str(path)!r} must be writable, so that measurements on one device take turns: "
            f"{error}."
        ) from error
    with file:  # its lock ends when it is closed
        _lock(file)
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        while True:
            with contextlib.suppress(OSError):
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                return
            time.sleep(_WAIT_S)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)

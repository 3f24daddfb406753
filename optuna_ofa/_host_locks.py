"""Locks that the processes of one host and user share, and that end with their process."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from optuna_ofa.exceptions import MeasurementError

_WAIT_S = 0.05  # between two tries on Windows, whose locks cannot be waited for


def lock_file(name: str) -> IO[bytes]:
    """Open the file of a lock, in the folder of temporary files.

    Containers with temporary folders of their own do not see each other.

    Raises:
        MeasurementError: If the file cannot be written.
    """
    user = os.getuid() if sys.platform != "win32" else 0
    path = Path(tempfile.gettempdir()) / f"optuna-ofa-{user}-{name}.lock"
    try:
        return path.open("ab")
    except OSError as error:
        raise MeasurementError(
            f"{str(path)!r} must be writable, so that the processes of this host do not disturb "
            f"each other: {error}."
        ) from error


def try_lock(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; return False if it is locked elsewhere."""
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


def lock(file: IO[bytes]) -> None:
    """Lock a file until it is closed, as soon as it is not locked elsewhere."""
    if sys.platform == "win32":
        while not try_lock(file):
            time.sleep(_WAIT_S)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)

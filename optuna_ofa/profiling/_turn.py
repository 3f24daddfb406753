"""Turns of processes on one host, which would disturb each other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from optuna_ofa._host_locks import lock, lock_file


@contextlib.contextmanager
def turn(name: str) -> Iterator[None]:
    """Wait until no other process or thread of this host and user is in such a block.

    A process that is killed ends its turn.

    Args:
        name: What is done; blocks of other names do not wait for each other.

    Raises:
        MeasurementError: If the file of the lock cannot be written.
    """
    with lock_file(name) as file:  # its lock ends when it is closed
        lock(file)
        yield

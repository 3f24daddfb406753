"""Trying again where others hold a lock, and a clear error where that does not help."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from optuna_ofa._errors import StorageError

T = TypeVar("T")
# MySQL and MariaDB: changed since the snapshot, lock timeout, deadlock
_MYSQL = (1020, 1205, 1213)
# PostgreSQL: serialization failure, deadlock, lock not available
_SQLSTATES = ("40001", "40P01", "55P03")


def retrying(
    attempt: Callable[[], T], engine: sa.Engine, n: int, seconds: float = 60, what: str = "trials"
) -> T:
    """Run a transaction, again and again while locks of others are in its way.

    A connection that was lost is replaced. Whether its transaction was committed does not
    matter, because the next attempt finds what is there under the lock.

    Args:
        attempt: One whole transaction.
        engine: Whose errors are meant.
        n: How many trials it would write, for the message.
        seconds: How long to go on, apart from what the database itself waits.
        what: What they are, if they are no trials.

    Raises:
        StorageError: If it fails for another reason or for too long. Nothing was written then.
    """
    errors = (DBAPIError, engine.dialect.loaded_dbapi.Error)
    end, pause = time.monotonic() + seconds, 0.05
    while True:
        try:
            return attempt()
        except errors as error:
            if time.monotonic() > end or not is_transient(error):
                cause = getattr(error, "orig", None) or error
                raise StorageError(
                    f"{n} {what} were not written to {engine.url!r}, because the database "
                    f"says: {cause}"
                ) from error
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 5)


def is_transient(error: Exception) -> bool:
    """Whether an error of the database may be gone at the next attempt."""
    cause: Any = getattr(error, "orig", None) or error
    return (
        getattr(error, "connection_invalidated", False)
        or "is locked" in str(cause)  # SQLite
        or getattr(cause, "sqlstate", None) in _SQLSTATES
        or (bool(cause.args) and cause.args[0] in _MYSQL)
    )

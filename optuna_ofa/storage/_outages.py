"""Servers that go away for a while: calls wait until they answer again."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import PendingRollbackError

from optuna_ofa._urls import shown_url
from optuna_ofa.exceptions import OptunaOFAError
from optuna_ofa.storage._errors import url_of

OUTAGE_S = 600.0  # how long one call waits
_LINE_S, _FIRST_LINE_S = 60.0, 5.0
# PostgreSQL: connection exceptions, shutdown, crash, starting up, too many connections
_SQLSTATES = ("08", "57P01", "57P02", "57P03", "53300")
# MySQL and MariaDB: cannot connect, gone away, lost, shutting down, killed, too many connections
_MYSQL = (1040, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013, 2055, 4031)
_UNREACHED = (1040, 2002, 2003)
_logger = logging.getLogger(__name__)
T = TypeVar("T")


def is_gone(error: Exception) -> bool:
    """Return whether an error says that a server ended a connection, or cannot be reached."""
    if isinstance(error, OptunaOFAError):  # which was raised after waiting
        return False
    database = _of_database(error)
    cause: Any = getattr(database, "orig", None) or database
    if getattr(database, "connection_invalidated", False):
        return True
    if isinstance(database, PendingRollbackError):  # after such an error that Optuna passed over
        return True
    if type(cause).__module__.split(".")[0] in ("pymysql", "MySQLdb"):
        return cause.args[:1] in {(code,) for code in (0, *_MYSQL)}
    sqlstate = getattr(cause, "sqlstate", getattr(cause, "pgcode", ""))
    if sqlstate is None:  # of a connection, which has none
        return type(cause).__name__ in ("OperationalError", "InterfaceError")
    return str(sqlstate).startswith(_SQLSTATES)


def is_undone(error: Exception) -> bool:
    """Return whether nothing of a call was written, because it was not yet committing."""
    database = _of_database(error)
    cause: Any = getattr(database, "orig", None) or database
    unreached = str(cause).startswith("connection failed") or cause.args[:1] in {
        (code,) for code in _UNREACHED
    }
    is_statement = getattr(database, "statement", None) is not None
    return is_statement or unreached or isinstance(database, PendingRollbackError)


def _of_database(error: Exception) -> BaseException:
    """Return the error behind that of Optuna."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else None
    return error if cause is None else cause


class Patience:
    """How long a call has waited for a server, with one line a minute in the log.

    Args:
        storage: The storage or the engine, for the log; secrets of its URL are not shown.
    """

    def __init__(self, storage: object) -> None:
        self._storage = storage
        self._start: float | None = None
        self._pause, self._next_line = 0.1, _FIRST_LINE_S

    def waits(self, error: Exception) -> bool:
        """Wait before another attempt; False if the server is there, or has been away too long."""
        if not is_gone(error):
            return False
        now = time.monotonic()
        self._start = now if self._start is None else self._start
        waited = now - self._start
        if waited > OUTAGE_S:
            return False
        if waited >= self._next_line:
            self._next_line = waited + _LINE_S
            _logger.warning(
                "The server of %r has been away for %.0f s, and is waited for up to %.0f s: %s",
                shown_url(url_of(self._storage) or ""),
                waited,
                OUTAGE_S,
                type(_of_database(error)).__name__,
            )
        time.sleep(self._pause * random.uniform(0.5, 1.5))
        self._pause = min(2 * self._pause, 5)
        return True


def patiently(call: Callable[[], T], storage: object) -> T:
    """Call again as long as the server is away.

    Raises:
        Exception: What it raises for another reason, or after `OUTAGE_S` seconds.
    """
    patience = Patience(storage)
    while True:
        try:
            return call()
        except Exception as error:
            if not patience.waits(error):
                raise

"""Transactions on Optuna's tables: those that are read and written directly, and the locks.

This relies on ``optuna/storages/_rdb/models.py`` and ``storage.py`` as of the schemas below:

- ``studies``: one row per study. A process that adds a trial holds a lock on it (``SELECT ...
  FOR UPDATE``; an SQLite file has one writer at a time anyway), so that trials of a study become
  visible in the order of their ``trial_id``, and ``number`` is the number of earlier trials,
  without gaps.
- ``trials``: ``trial_id``, ``study_id``, ``number``, ``state``, and ``datetime_start`` and
  ``datetime_complete`` in naive UTC. Finished trials never change; a process that finishes a
  running one holds a lock on its row.
- ``trial_params``: ``param_name``, ``param_value`` (for a categorical one, the index of the choice)
  and ``distribution_json``.
- ``trial_values``: ``objective``, ``value`` and ``value_type`` (no value where it is infinite).
- ``trial_user_attributes``, ``trial_system_attributes``: ``key`` and ``value_json``; a constraint
  is the system attribute ``constraints:<name>``.
- ``study_system_attributes``: ``study_id``, ``key`` and ``value_json``.

Any other storage, or an unknown schema, is accessed through Optuna's public calls.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from sqlalchemy.exc import DBAPIError

from optuna_ofa._urls import raise_about, shown_url, without_secrets
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import StorageError
from optuna_ofa.storage._errors import relational, url_of
from optuna_ofa.storage._outages import Patience

KNOWN_SCHEMAS = ("v3.2.0.a",)
_studies = models.StudyModel.__table__
_own = _studies.c.study_id == sa.bindparam("study")
_LOCK = sa.select(_studies.c.study_id).where(_own).with_for_update()
_TOUCH = sa.update(_studies).where(_own).values(study_id=sa.bindparam("study"))


def known_tables(storage: BaseStorage) -> RDBStorage | None:
    """Return the relational storage behind a storage, if its schema is known."""
    backend = relational(storage)
    if backend is None:
        return None
    version = backend.get_current_version()
    if version not in KNOWN_SCHEMAS:
        warn(
            f"Optuna's schema {version} is not known to optuna_ofa ({', '.join(KNOWN_SCHEMAS)}), "
            f"so trials are written and read one by one, which is far slower."
        )
        return None
    return backend


@contextlib.contextmanager
def locked(engine: sa.Engine, study_id: int) -> Iterator[sa.Connection]:
    """Return a transaction that holds Optuna's own lock on the study's row until it ends."""
    is_postgresql = engine.dialect.name == "postgresql"
    if is_postgresql:  # each statement sees what was committed before it
        engine = engine.execution_options(isolation_level="READ COMMITTED")
    with engine.begin() as connection:
        if is_postgresql:
            # PostgreSQL plans the checks of foreign keys once a connection, for tables that are
            # small then, and would then keep reading all trials for each parameter that is written
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            connection.exec_driver_sql("DISCARD PLANS")
        lock_study(connection, study_id)
        yield connection


def lock_study(connection: sa.Connection, study_id: int) -> None:
    """Take Optuna's own lock on the study's row until the transaction ends.

    It must be the first statement: the snapshot of a MySQL transaction is fixed by its first plain
    read, and an SQLite transaction that has read cannot always be upgraded to write.
    """
    # SQLite has no row locks: a write that changes nothing
    statement = _TOUCH if connection.dialect.name == "sqlite" else _LOCK
    connection.execute(statement, {"study": study_id})


def fetch_rows(
    connection: sa.Connection, query: sa.Select[Any], **parameters: Any
) -> list[tuple[Any, ...]]:
    """Rows of numbers and texts as the driver returns them; SQLAlchemy's are three times slower."""
    with contextlib.closing(connection.execute(query, parameters)) as result:
        return list(result.cursor.fetchall())


T = TypeVar("T")
# MySQL and MariaDB: changed since the snapshot, lock timeout, deadlock
_MYSQL = (1020, 1205, 1213)
# PostgreSQL: serialization failure, deadlock, lock not available
_SQLSTATES = ("40001", "40P01", "55P03")


def retrying(
    attempt: Callable[[], T],
    engine: sa.Engine,
    n: int | None,
    seconds: float = 60,
    what: str = "trials",
) -> T:
    """Run a transaction, and retry it while locks of other processes block it.

    A lost connection is replaced. Whether its transaction was committed does not matter, because
    the next attempt reads the current state under the lock.

    Args:
        attempt: One whole transaction.
        engine: The engine whose errors are handled.
        n: How many trials it would write, for the message; None for one that only reads.
        seconds: How long to retry, not counting the waiting time of the database itself, and that
            for a server that is away (`OUTAGE_S`).
        what: What they are, if they are not trials.

    Raises:
        StorageError: If it fails for another reason or for too long. Nothing is written then.
        Exception: The error of the database instead, if it only reads.
    """
    errors = (DBAPIError, engine.dialect.loaded_dbapi.Error)
    end, pause = time.monotonic() + seconds, 0.05
    patience = Patience(engine)
    while True:
        try:
            return attempt()
        except errors as error:
            if patience.waits(error):
                end = time.monotonic() + seconds
                continue
            if time.monotonic() > end or not is_transient(error):
                if n is None:
                    raise
                url = url_of(engine)
                said = without_secrets(str(getattr(error, "orig", None) or error), url)
                shown = shown_url(url or "")
                failure = StorageError(
                    f"{n} {what} were not written to {shown!r}, because the database says: {said}"
                )
                raise_about(failure, error, url)
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause = min(2 * pause, 5)


def is_transient(error: Exception) -> bool:
    """Return whether the next attempt may succeed after an error of the database."""
    cause: Any = getattr(error, "orig", None) or error
    return (
        "is locked" in str(cause)  # SQLite
        or getattr(cause, "sqlstate", None) in _SQLSTATES
        or (bool(cause.args) and cause.args[0] in _MYSQL)
    )

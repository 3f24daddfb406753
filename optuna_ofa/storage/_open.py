"""Opening a storage, with errors that explain what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import optuna
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages._rdb import models
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from optuna_ofa._urls import raise_about, shown_storage, shown_url, without_secrets
from optuna_ofa.exceptions import (
    InvalidArgumentError,
    MissingDependencyError,
    OptunaOFAError,
    StorageError,
)
from optuna_ofa.storage._errors import is_of_database, raise_storage_error, relational
from optuna_ofa.storage._guard import guarded
from optuna_ofa.storage._journal import mended

_EXAMPLES = (
    "'sqlite:///runs/phone.db', 'postgresql+psycopg://user@host/database' or "
    "'mysql+pymysql://user@host/database'"
)
# package to install for a driver's module, where the names differ
_PACKAGES = {
    "psycopg": "optuna-ofa[postgresql]",
    "pymysql": "optuna-ofa[mysql]",
    "MySQLdb": "mysqlclient",
}


def open_storage(storage: str | BaseStorage | None) -> BaseStorage:
    """Return a storage by its URL, or as it is; None is a new one in memory.

    Secrets of the URL appear neither in messages nor in causes of errors.

    Raises:
        InvalidArgumentError: If it is neither, no database has such a URL, or the path of an
            SQLite file is a folder or in one that does not exist.
        MissingDependencyError: If the database's driver is not installed.
        StorageError: If the database cannot be reached or is not writable, or has the tables of an
            older or newer Optuna or of another application.
    """
    if isinstance(storage, JournalStorage):
        _require_journal(mended(storage))
    if storage is None or isinstance(storage, BaseStorage):
        return guarded(get_storage(storage))
    if not isinstance(storage, str):
        raise InvalidArgumentError(
            f"`storage` must be an Optuna storage or a URL such as {_EXAMPLES}, but got "
            f"{shown_storage(storage)}."
        )
    try:
        _check_path(storage)
        return guarded(_patiently(lambda: _opened(storage)))
    except OptunaOFAError:
        raise
    except Exception as error:  # drivers raise various errors for unknown URLs
        if is_of_database(error) or _connects(storage):
            raise_storage_error(error, storage)
        raise_about(_unusable(storage, error), error, storage)


def _connects(storage: str) -> bool:
    """Return whether a URL is one of a database that can be reached."""
    try:
        with sa.create_engine(storage).connect():
            return True
    except Exception:  # of many kinds
        return False


def _unusable(storage: str, error: Exception) -> OptunaOFAError:
    """Return the message about a URL that cannot be opened."""
    shown = shown_url(storage)
    if isinstance(error, ImportError):
        module = getattr(error.__cause__, "name", None) or "the driver"
        return MissingDependencyError(
            f"`storage` {shown!r} needs `{module}`, which is not installed; install it "
            f'with: pip install "{_PACKAGES.get(module, module)}", or choose another driver, as in '
            f"{_EXAMPLES}."
        )
    said = without_secrets(" ".join(str(error).split()), storage)
    return InvalidArgumentError(
        f"`storage` must be a URL such as {_EXAMPLES}, but got {shown!r} "
        f"({type(error).__name__}: {said})."
    )


def _opened(storage: str) -> BaseStorage:
    """Open a URL.

    Raises:
        StorageError: If its tables are of another version of Optuna, or of something else.
    """
    try:
        opened = get_storage(storage)
    except RuntimeError as error:
        other = RDBStorage(storage, skip_compatibility_check=True)
        here, shown = f"Optuna {optuna.__version__}", shown_url(storage)
        if other.get_current_version() in other.get_all_versions():
            failure = StorageError(
                f"`storage` must be upgraded (optuna storage upgrade --storage {shown!r}), because "
                f"its tables are of an older version than {here}."
            )
        else:
            failure = StorageError(
                f"`storage` must have tables that {here} knows, but those of {shown!r} are of a "
                f"newer version, for which Optuna has to be updated (pip install -U optuna), or "
                f"of another application that uses Alembic."
            )
        raise_about(failure, error, storage)
    _require_own_tables(opened, storage)
    return opened


def _require_own_tables(opened: BaseStorage, storage: str) -> None:
    """Refuse a database where another application has tables of the same names."""
    backend = relational(opened)
    if backend is None:
        return
    try:
        with backend.engine.connect() as connection:
            for table in (models.StudyModel.__table__, models.TrialModel.__table__):
                connection.execute(sa.select(table).limit(0))
    except DBAPIError as error:
        failure = StorageError(
            f"`storage` must be a database of Optuna or a new one, but the tables of "
            f"{shown_url(storage)!r} are others: {without_secrets(str(error.orig), storage)}."
        )
        raise_about(failure, error, storage)


def _require_journal(storage: JournalStorage) -> None:
    """Refuse a journal that Optuna cannot read."""
    try:
        storage.get_all_studies()
    except Exception as error:  # of any kind, as what is in the file
        raise StorageError(
            f"`storage` must be a journal that Optuna can read, but reading it gave {error!r:.300}."
        ) from error


def _check_path(storage: str) -> None:
    """Refuse a path where there can be no SQLite file."""
    url = make_url(storage)
    path = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return
    if "uri" in url.query:  # the path is a URI of its own
        return
    shown = shown_url(storage)
    if path.is_dir():
        raise InvalidArgumentError(f"`storage` must be a file, but {shown!r} is a folder.")
    if not path.parent.is_dir():
        raise InvalidArgumentError(
            f"`storage` must be in a folder that exists, but that of {shown!r} does not."
        )


T = TypeVar("T")
# What databases report to one of two processes that create the same object; shortly afterwards it
# exists.
_AT_ONCE = ("already exists", "duplicate", "unique constraint", "is locked", "deadlock")
_ATTEMPTS, _PAUSE_S = 40, 0.05


def _patiently(call: Callable[[], T]) -> T:
    """Call again if another process did the same at the same moment."""
    for _ in range(_ATTEMPTS):
        try:
            return call()
        except (DBAPIError, StorageInternalError, StorageError) as error:
            if not any(text in f"{error} {error.__cause__}".lower() for text in _AT_ONCE):
                raise
        time.sleep(_PAUSE_S)
    return call()

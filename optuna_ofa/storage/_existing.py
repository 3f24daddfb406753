"""Storages that are only read: none is created if there is none."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from optuna.storages import BaseStorage
from optuna.storages._rdb import models
from sqlalchemy.engine import make_url

from optuna_ofa._urls import shown_storage
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import DESCRIPTION, VIEW
from optuna_ofa.storage._open import _check_path, open_storage

_MEMORY = ("", ":memory:")


def open_existing(storage: str) -> BaseStorage:
    """Open an existing storage; if there is none, none is created.

    Opening a URL with Optuna creates the file of an SQLite database, and tables in any empty
    database.

    Raises:
        InvalidArgumentError: If there is no such file or no table of studies in the database.
        MissingDependencyError, StorageError: As `open_storage`.
    """
    _require_file(storage)
    if not _has_studies(storage):
        raise InvalidArgumentError(
            f"`storage` must be a database that has studies, but {shown_storage(storage)} has none."
        )
    return open_storage(storage)


def study_names(storage: BaseStorage) -> list[str]:
    """Return the names of the studies of a storage, in the order in which they were created.

    Copies made for viewing are left out, and so are plain Optuna studies if there are any of ours,
    and those whose name another program has damaged.
    """
    studies = [s for s in storage.get_all_studies() if VIEW not in s.system_attrs]
    studies = [study for study in studies if isinstance(study.study_name, str)]
    own = [s.study_name for s in studies if DESCRIPTION in s.user_attrs]
    return own or [s.study_name for s in studies]


def sqlite_file(storage: str) -> Path | None:
    """Return the file of an SQLite URL; None for other databases, and those in memory.

    Both forms are known: ``sqlite:///runs/nas.db`` and ``sqlite:///file:runs/nas.db?uri=true``.
    """
    try:
        url = make_url(storage)
    except Exception:  # of many kinds; opening it gives the right one
        return None
    if url.get_backend_name() != "sqlite":
        return None
    database = (url.database or "").removeprefix("file:")
    in_memory = database in _MEMORY or url.query.get("mode") == "memory"
    return None if in_memory else Path(database)


def _require_file(storage: str) -> None:
    """Refuse an SQLite database in memory or without a file."""
    file = sqlite_file(storage)
    if file is not None and not file.is_file():
        _check_path(storage)
        raise InvalidArgumentError(
            f"`storage` must be a database that exists, but got {shown_storage(storage)}."
        )
    if file is None and storage.startswith("sqlite"):
        raise InvalidArgumentError(
            f"`storage` must be a file or the URL of a server, because a database in memory is "
            f"empty, but got {shown_storage(storage)}."
        )


def _has_studies(storage: str) -> bool:
    """Whether a database has Optuna's tables; True where it cannot be reached."""
    try:
        engine = sa.create_engine(storage)
        try:
            return sa.inspect(engine).has_table(models.StudyModel.__tablename__)
        finally:
            engine.dispose()
    except Exception:  # of many kinds; opening it gives the right one
        return True

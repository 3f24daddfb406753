"""The table of measurements, and how it is reached."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies.storage._open import open_storage, storage_errors

_metadata = sa.MetaData()
TABLE = sa.Table(
    "ofa_measured",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("setup_id", sa.String(64), nullable=False),
    sa.Column("subnet_id", sa.String(64), nullable=False),
    sa.Column("family", sa.String(128), nullable=False),
    sa.Column("metric", sa.String(64), nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("std", sa.Double),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("subnet", sa.Text, nullable=False),
    sa.Column("setup", sa.Text, nullable=False),
    sa.Column("details", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("measured_at", sa.String(32), nullable=False),
    sa.Index("ix_ofa_measured_setup", "setup_id", "subnet_id"),
    sa.Index("ix_ofa_measured_family", "family", "metric"),
)


class Database:
    """The database that has the table, or gets it.

    Args:
        storage: An Optuna storage in a relational database, its URL, or a study in one.

    Raises:
        InvalidArgumentError: If the storage is no relational database.
        StorageError: If it cannot be reached or written.
    """

    def __init__(self, storage: str | BaseStorage | optuna.Study) -> None:
        given = storage._storage if isinstance(storage, optuna.Study) else storage
        self._storage = given
        with storage_errors(given):
            self._engine = _engine(open_storage(given))
            _create_table(self._engine)

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """A transaction, whose errors are ours.

        Raises:
            StorageError: If the database cannot be reached, read or written.
        """
        with storage_errors(self._storage), self._engine.begin() as connection:
            yield connection


def to_text(value: Mapping[str, Any]) -> str:
    """JSON that is the same for equal mappings."""
    return json.dumps(value, sort_keys=True)


def digest(text: str) -> str:
    """SHA-256 of a text, the key of a setup or a subnet."""
    return hashlib.sha256(text.encode()).hexdigest()


def _create_table(engine: sa.Engine) -> None:
    try:
        _metadata.create_all(engine)
    except sa.exc.DBAPIError:  # another process has created it meanwhile; or it raises again
        _metadata.create_all(engine)


def _engine(storage: BaseStorage) -> sa.Engine:
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    if not isinstance(backend, RDBStorage):
        raise InvalidArgumentError(
            f"`storage` must be a relational database, such as 'sqlite:///phone.db', but got "
            f"{type(backend).__name__}."
        )
    return backend.engine

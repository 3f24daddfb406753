"""The database that measurements are written to, beside Optuna's own tables."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family, Subnet, family_from_json
from optuna_ofa.storage import (
    open_storage,
    patiently,
    reconnect_after_fork,
    relational,
    retrying,
    storage_errors,
)

T = TypeVar("T")
_RIVALS = 50  # how often others may write the same row before a transaction gives up

metadata = sa.MetaData()
FAMILIES = sa.Table(
    "ofa_families",
    metadata,
    sa.Column("fingerprint", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("content", sa.Text, nullable=False),
)


class Database:
    """The database of the table, which is created where it is missing.

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
            opened = open_storage(given)
            self._engine = _engine(opened)
            self._opened = opened  # as long as its connections
            reconnect_after_fork(opened)
            _create(self._engine, metadata)

    @staticmethod
    def of(storage: str | BaseStorage | optuna.Study | Database) -> Database:
        """Return the database of a storage; one that is open already as it is."""
        return storage if isinstance(storage, Database) else Database(storage)

    def __reduce__(self) -> tuple[Any, ...]:  # connections are not pickled
        return Database, (self._storage,)

    def read(self, transaction: Callable[[sa.Connection], T]) -> T:
        """Run a transaction that writes nothing, and repeat it as `run` does.

        Raises:
            StorageError: If the database cannot be reached or read.
        """

        def attempt() -> T:
            with self._engine.begin() as connection:
                return transaction(connection)

        with storage_errors(self._storage):
            return retrying(attempt, self._engine, None)

    def run(self, transaction: Callable[[sa.Connection], T], n: int = 1) -> T:
        """Run a transaction, and repeat it where another process was faster or holds a lock.

        Args:
            transaction: Decides by what it reads; after a lost connection it may run again
                although it was committed.
            n: Number of rows that it writes, for the message.

        Raises:
            StorageError: If the database cannot be reached, read or written.
        """

        def attempt() -> T:
            for is_last in (*[False] * _RIVALS, True):
                try:
                    with self._engine.begin() as connection:
                        return transaction(connection)
                except sa.exc.IntegrityError:  # a row that was not there a moment ago
                    if is_last:
                        raise
            raise AssertionError

        with storage_errors(self._storage):
            return retrying(attempt, self._engine, n, what="row" if n == 1 else "rows")

    def try_once(self, transaction: Callable[[sa.Connection], object]) -> None:
        """Run a transaction, without waiting for a server that is away.

        Raises:
            StorageError: If the database cannot be reached, read or written now.
        """
        with storage_errors(self._storage), self._engine.begin() as connection:
            transaction(connection)

    def create(self, table: sa.Table) -> None:
        """Create a further table, unless it is there.

        Raises:
            StorageError: If the database cannot be reached or written.
        """
        with storage_errors(self._storage):
            patiently(lambda: _create(self._engine, table.metadata), self._storage)

    @property
    def is_in_memory(self) -> bool:
        """Whether no other process sees it."""
        url = self._engine.url
        return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")

    def add_family(self, family: Family) -> None:
        """Write the table of a family, unless it is there."""
        row = {"fingerprint": family.fingerprint, "name": family.name}

        def transaction(connection: sa.Connection) -> None:
            if connection.execute(sa.select(FAMILIES.c.name).filter_by(**row)).first() is None:
                content = to_text(family.to_dict())
                connection.execute(sa.insert(FAMILIES), {**row, "content": content})

        self.run(transaction)

    def families(self, name: str) -> list[Family]:
        """Return the families of a name that have measurements."""
        query = sa.select(FAMILIES.c.content).where(FAMILIES.c.name == name)
        texts = self.read(lambda connection: connection.execute(query).scalars().all())
        with storage_errors(self._storage):
            return [family_from_json(json.loads(text), "the database") for text in texts]


def to_text(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same for equal mappings."""
    return json.dumps(value, sort_keys=True)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, the key of a setup or a subnet."""
    return hashlib.sha256(text.encode()).hexdigest()


def subnet_text(subnet: Subnet) -> str:
    """Return the JSON of a subnet with the name of its family, whose table is stored once."""
    return json.dumps(subnet.to_dict(by_name=True))


def subnet_id(subnet: Subnet) -> str:
    """Return the key of a subnet."""
    return digest(subnet_text(subnet))


def _create(engine: sa.Engine, metadata: sa.MetaData) -> None:
    try:
        metadata.create_all(engine)
    except sa.exc.DBAPIError:  # another process creates them too; or it raises again
        for table in metadata.sorted_tables:
            _create_one(engine, table)


def _create_one(engine: sa.Engine, table: sa.Table) -> None:
    try:
        table.create(engine, checkfirst=True)
    except sa.exc.DBAPIError:
        if not sa.inspect(engine).has_table(table.name):
            raise


def _engine(storage: BaseStorage) -> sa.Engine:
    backend = relational(storage)
    if backend is None:
        raise InvalidArgumentError(
            f"`storage` must be a relational database, such as 'sqlite:///phone.db', but got "
            f"{type(storage).__name__}."
        )
    return backend.engine

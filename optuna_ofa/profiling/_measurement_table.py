"""The table of measurements in a database, beside Optuna's own tables."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.space import Subnet
from optuna_ofa.studies.storage._open import open_storage, storage_errors

_metadata = sa.MetaData()
_MS = ("latency_ms", "min_ms", "std_ms", "wall_ms", "anchor_ms")
TABLE = sa.Table(
    "ofa_measurements",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("setup_id", sa.String(64), nullable=False),
    sa.Column("subnet_id", sa.String(64), nullable=False),
    sa.Column("family", sa.String(128), nullable=False),
    sa.Column("setup", sa.Text, nullable=False),
    sa.Column("subnet", sa.Text, nullable=False),
    *(sa.Column(name, sa.Double) for name in _MS),
    sa.Column("n_rounds", sa.Integer),
    sa.Column("error", sa.Text),
    sa.Column("measured_at", sa.String(32), nullable=False),
    sa.Index("ix_ofa_measurements", "setup_id", "subnet_id"),
)


class Row(NamedTuple):
    """One measurement of one subnet; NaN and an ``error`` where the runtime failed."""

    latency_ms: float | None
    min_ms: float | None
    std_ms: float | None
    wall_ms: float | None
    anchor_ms: float | None
    n_rounds: int
    error: str | None = None


class MeasurementTable:
    """Rows of one setup (device, runtime, versions, settings).

    Args:
        storage: An Optuna storage in a relational database, or its URL.
        setup: The setup; rows of others are not seen.

    Raises:
        InvalidArgumentError: If the storage is no relational database.
        StorageError: If it cannot be reached or written.
    """

    def __init__(self, storage: str | BaseStorage, setup: Mapping[str, Any]) -> None:
        self._storage = storage
        self._setup = json.dumps(setup, sort_keys=True)
        self._setup_id = _digest(self._setup)
        with storage_errors(storage):
            self._engine = _engine(open_storage(storage))
            _metadata.create_all(self._engine)

    def add(self, rows: Mapping[Subnet, Row]) -> None:
        """Write measurements, all or none."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        values = [
            {
                "setup_id": self._setup_id, "subnet_id": _digest(subnet.to_json()),
                "family": subnet.family.name, "setup": self._setup, "subnet": subnet.to_json(),
                "measured_at": now, **row._asdict(),
            }
            for subnet, row in rows.items()
        ]  # fmt: skip
        with self._begin() as connection:
            connection.execute(sa.insert(TABLE), values)

    def read(self, subnets: Sequence[Subnet]) -> dict[Subnet, list[Row]]:
        """The measurements of those subnets that have any, oldest first."""
        wanted = {_digest(subnet.to_json()): subnet for subnet in subnets}
        columns = [TABLE.c[name] for name in ("subnet_id", *Row._fields)]
        query = sa.select(*columns).where(TABLE.c.setup_id == self._setup_id).order_by(TABLE.c.id)
        found: dict[Subnet, list[Row]] = {}
        with self._begin() as connection:
            for subnet_id, *values in connection.execute(query):
                if subnet_id in wanted:
                    found.setdefault(wanted[subnet_id], []).append(Row(*values))
        return found

    def reference(self, family: str) -> float | None:
        """Latency of the anchor when a family was first measured; None if it never was."""
        query = (
            sa.select(TABLE.c.anchor_ms)
            .where(TABLE.c.setup_id == self._setup_id, TABLE.c.family == family)
            .where(TABLE.c.anchor_ms.is_not(None))
            .order_by(TABLE.c.id)
            .limit(1)
        )
        with self._begin() as connection:
            value = connection.execute(query).scalar()
        return None if value is None else float(value)

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with storage_errors(self._storage), self._engine.begin() as connection:
            yield connection


def _engine(storage: BaseStorage) -> sa.Engine:
    backend = storage._backend if isinstance(storage, _CachedStorage) else storage
    if not isinstance(backend, RDBStorage):
        raise InvalidArgumentError(
            f"`storage` must be a relational database, such as 'sqlite:///phone.db', but got "
            f"{type(backend).__name__}."
        )
    return backend.engine


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""Measurements of one setup: written as they are made, looked up before they are repeated."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage

from optuna_ofa._plausible import plausible
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.problem import is_number
from optuna_ofa.space import Family, Subnet, family_from_json
from optuna_ofa.storage import (
    open_storage,
    patiently,
    reconnect_after_fork,
    relational,
    storage_errors,
)

metadata = sa.MetaData()
TABLE = sa.Table(
    "ofa_measured",
    metadata,
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
            _create_table(self._engine)

    def __reduce__(self) -> tuple[Any, ...]:  # connections are not pickled
        return Database, (self._storage,)

    @contextlib.contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Begin a transaction, and wait for the server if it is away.

        Raises:
            StorageError: If the database cannot be reached, read or written.
        """
        with (
            storage_errors(self._storage),
            patiently(self._engine.connect, self._storage) as connection,
            connection.begin(),
        ):
            yield connection

    def add_family(self, family: Family) -> None:
        """Write the table of a family, unless it is there."""
        row = {"fingerprint": family.fingerprint, "name": family.name}
        with self.begin() as connection:
            if connection.execute(sa.select(FAMILIES.c.name).filter_by(**row)).first():
                return
        with contextlib.suppress(sa.exc.IntegrityError), self.begin() as connection:
            # another process may have written it in the meantime
            connection.execute(sa.insert(FAMILIES), {**row, "content": to_text(family.to_dict())})

    def families(self, name: str) -> list[Family]:
        """Return the families of a name that have measurements."""
        query = sa.select(FAMILIES.c.content).where(FAMILIES.c.name == name)
        with self.begin() as connection:
            texts = connection.execute(query).scalars().all()
        with storage_errors(self._storage):
            return [family_from_json(json.loads(text), "the database") for text in texts]


def to_text(value: Mapping[str, Any]) -> str:
    """Return JSON that is the same for equal mappings."""
    return json.dumps(value, sort_keys=True)


def digest(text: str) -> str:
    """Return the SHA-256 of a text, the key of a setup or a subnet."""
    return hashlib.sha256(text.encode()).hexdigest()


def _create_table(engine: sa.Engine) -> None:
    try:
        metadata.create_all(engine)
    except sa.exc.DBAPIError:  # another process has created it meanwhile; or it raises again
        metadata.create_all(engine)


def _engine(storage: BaseStorage) -> sa.Engine:
    backend = relational(storage)
    if backend is None:
        raise InvalidArgumentError(
            f"`storage` must be a relational database, such as 'sqlite:///phone.db', but got "
            f"{type(storage).__name__}."
        )
    return backend.engine


# how many subnets are queried at once; databases limit the parameters of a statement
_CHUNK = 500


class Reading(NamedTuple):
    """One measured value of one metric, or the reason why there is none.

    Args:
        metric: The metric, with its unit where it has one: ``latency_ms``, ``top1``.
        value: The value; None where it could not be measured.
        std: Standard deviation of a repetition, in the metric's unit.
        n: The number of rounds or images that the value averages.
        details: More about this reading (JSON), which does not tell setups apart.
        error: The reason why there is no value.
    """

    metric: str
    value: float | None
    std: float | None
    n: int
    details: Mapping[str, Any]
    error: str | None = None


_FIELDS = tuple(TABLE.c[name] for name in Reading._fields)


class MeasurementTable:
    """The readings of one setup: everything except the subnet that a reading depends on.

    Args:
        storage: An Optuna storage in a relational database, its URL, or a study in one.
        family: The family of all subnets, whose table is written beside the readings and whose
            fingerprint is a part of the setup.
        setup: The setup (JSON); readings of other setups are not seen.

    Raises:
        InvalidArgumentError: If the storage is no relational database.
        StorageError: If it cannot be reached or written.
    """

    def __init__(
        self, storage: str | BaseStorage | optuna.Study, family: Family, setup: Mapping[str, Any]
    ) -> None:
        self._family = family
        self._setup = to_text({**setup, "family": family.fingerprint})
        self._setup_id = digest(self._setup)
        self._database = Database(storage)
        self._database.add_family(family)

    def add(self, readings: Iterable[tuple[Subnet, Reading]]) -> None:
        """Write readings of subnets, all or none; each replaces an earlier failure."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        values = [
            {
                **reading._asdict(),
                "details": to_text(reading.details),
                "setup_id": self._setup_id,
                "setup": self._setup,
                "family": self._family.name,
                "subnet": text,
                "subnet_id": digest(text),
                "measured_at": now,
            }
            for text, reading in ((_text(subnet), reading) for subnet, reading in readings)
        ]
        if values:
            with self._database.begin() as connection:
                self._remove(connection, values, TABLE.c.value.is_(None))
                connection.execute(sa.insert(TABLE), values)

    def remove(self, subnets: Iterable[Subnet], metric: str) -> None:
        """Delete the readings of a metric of some subnets."""
        rows = [{"subnet_id": digest(_text(subnet)), "metric": metric} for subnet in subnets]
        with self._database.begin() as connection:
            self._remove(connection, rows, sa.true())

    def _remove(
        self,
        connection: sa.Connection,
        values: Sequence[Mapping[str, Any]],
        which: sa.ColumnElement[bool],
    ) -> None:
        """Delete those rows of the same subnets and metrics that fulfil a condition."""
        ids = sorted({value["subnet_id"] for value in values})
        metrics = sorted({value["metric"] for value in values})
        for start in range(0, len(ids), _CHUNK):
            query = (
                sa.select(TABLE.c.id)
                .where(TABLE.c.setup_id == self._setup_id)
                .where(TABLE.c.subnet_id.in_(ids[start : start + _CHUNK]))
                .where(TABLE.c.metric.in_(metrics), which)
            )
            # by their keys: deleting what is not there would lock gaps that others write to
            old = connection.execute(query).scalars().all()
            if old:
                connection.execute(sa.delete(TABLE).where(TABLE.c.id.in_(old)))

    def read(self, subnets: Sequence[Subnet]) -> dict[Subnet, list[Reading]]:
        """Return the values of those subnets that have any, oldest first; failures have none."""
        wanted = {digest(_text(subnet)): subnet for subnet in subnets}
        ids = list(wanted)
        found: dict[Subnet, list[Reading]] = {}
        with self._database.begin() as connection:
            for start in range(0, len(ids), _CHUNK):
                query = (
                    sa.select(TABLE.c.subnet_id, *_FIELDS)
                    .where(TABLE.c.setup_id == self._setup_id)
                    .where(TABLE.c.subnet_id.in_(ids[start : start + _CHUNK]))
                    .where(TABLE.c.value.is_not(None))
                    .order_by(TABLE.c.id)
                )
                for subnet_id, *values in connection.execute(query):
                    with contextlib.suppress(*ROW_ERRORS):  # measured again
                        reading = reading_of(*values)
                        found.setdefault(wanted[subnet_id], []).append(reading)
        return found

    def first(self, metric: str) -> Reading | None:
        """Return the oldest value of a metric of any subnet, if there is one."""
        query = (
            sa.select(*_FIELDS)
            .where(TABLE.c.setup_id == self._setup_id)
            .where(TABLE.c.metric == metric, TABLE.c.value.is_not(None))
            .order_by(TABLE.c.id)
        )
        with self._database.begin() as connection:
            for values in connection.execute(query):
                with contextlib.suppress(*ROW_ERRORS):
                    return reading_of(*values)
        return None


def _text(subnet: Subnet) -> str:
    """Return the JSON of a subnet with the name of its family, whose table is stored once."""
    return json.dumps(subnet.to_dict(by_name=True))


ROW_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)


def reading_of(
    metric: str, value: float | None, std: float | None, n: int, details: str, error: str | None
) -> Reading:
    """Return a reading from what its row contains.

    Raises:
        ValueError, TypeError, LookupError, ArithmeticError, RecursionError: If the row was not
            written by `MeasurementTable.add`, or was damaged.
    """
    known = json.loads(details)
    is_sound = (
        (value is None or (is_number(value) and plausible(metric, value) and value == value))
        and (std is None or (is_number(std) and 0 <= std < math.inf))
        and isinstance(n, int)
        and isinstance(known, dict)
        and isinstance(error, str | None)
    )
    if not is_sound:
        raise ValueError(f"{metric} {value!r:.50}, std {std!r:.50}, n {n!r:.50} is no reading")
    return Reading(metric, value, std, n, known, error)

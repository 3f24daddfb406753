"""Measurements of one setup: written as they are made, looked up before they are repeated."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage

from optuna_ofa._plausible import plausible
from optuna_ofa.measurements._claims import Claims
from optuna_ofa.measurements._database import (
    Database,
    digest,
    metadata,
    subnet_id,
    subnet_text,
    to_text,
)
from optuna_ofa.problem import is_number
from optuna_ofa.space import Family, Subnet

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

# how many subnets are queried at once; databases limit the parameters of a statement
_CHUNK = 500
_FEW = 10  # of which the first one is wanted


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
        storage: An Optuna storage in a relational database, its URL, a study in one, or what was
            opened by one of them.
        family: The family of all subnets, whose table is written beside the readings and whose
            fingerprint is a part of the setup.
        setup: The setup (JSON); readings of other setups are not seen.

    Raises:
        InvalidArgumentError: If the storage is no relational database.
        StorageError: If it cannot be reached or written.
    """

    def __init__(
        self,
        storage: str | BaseStorage | optuna.Study | Database,
        family: Family,
        setup: Mapping[str, Any],
    ) -> None:
        self._family, self._given = family, dict(setup)
        self._setup = to_text({**setup, "family": family.fingerprint})
        self._setup_id = digest(self._setup)
        self._database = Database.of(storage)
        self._database.add_family(family)

    def claims(self, more: Mapping[str, Any] = MappingProxyType({}), **options: Any) -> Claims:
        """Return claims on the subnets of this setup.

        Args:
            more: Further entries of the setup, such as the metric.
            **options: As of `Claims`.
        """
        return Claims(self._database, self._family, {**self._given, **more}, **options)

    def add(self, readings: Iterable[tuple[Subnet, Reading]]) -> None:
        """Write readings of subnets, all or none; each replaces an earlier failure."""
        values = self._values(readings)
        if values:
            self._database.run(lambda connection: self._write(connection, values), len(values))

    def add_claimed(
        self, readings: Iterable[tuple[Subnet, Reading]], claims: Claims
    ) -> set[Subnet]:
        """Write readings of subnets that this caller has claimed, and release the claims.

        Nothing is written of a subnet whose claim was lost, or that has a value already.

        Returns:
            The subnets whose claims were not lost. Of others the readings of whoever took them
            over count, as soon as these are there.
        """
        of = list(readings)
        subnets = list(dict.fromkeys(subnet for subnet, _ in of))

        def transaction(connection: sa.Connection) -> set[Subnet]:
            ours = claims.spend(connection, subnets)
            there = self._read(connection, subnets, TABLE.c.value.is_not(None))
            known = {(subnet, r.metric) for subnet, readings in there.items() for r in readings}
            new = [(s, r) for s, r in of if s in ours and (s, r.metric) not in known]
            self._write(connection, self._values(new))
            return ours

        if not subnets:
            return set()
        ours = self._database.run(transaction, len(of))
        claims.forget(subnets)
        return ours

    def remove(self, subnets: Iterable[Subnet], metric: str) -> None:
        """Delete the readings of a metric of some subnets."""
        rows = [{"subnet_id": subnet_id(subnet), "metric": metric} for subnet in subnets]
        self._database.run(lambda connection: self._remove(connection, rows, sa.true()), len(rows))

    def _values(self, readings: Iterable[tuple[Subnet, Reading]]) -> list[dict[str, Any]]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return [
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
            for text, reading in ((subnet_text(subnet), reading) for subnet, reading in readings)
        ]

    def _write(self, connection: sa.Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows in place of failures, above whose numbers the new ones are."""
        if values:
            failures = self._rows(connection, values, TABLE.c.value.is_(None))
            connection.execute(sa.insert(TABLE), values)
            self._delete(connection, failures)

    def _remove(
        self,
        connection: sa.Connection,
        values: Sequence[Mapping[str, Any]],
        which: sa.ColumnElement[bool],
    ) -> None:
        """Delete those rows of the same subnets and metrics that fulfil a condition."""
        self._delete(connection, self._rows(connection, values, which))

    def _rows(
        self,
        connection: sa.Connection,
        values: Sequence[Mapping[str, Any]],
        which: sa.ColumnElement[bool],
    ) -> list[int]:
        """Return the numbers of those rows of the same subnets and metrics."""
        metrics = sorted({value["metric"] for value in values})
        which = TABLE.c.metric.in_(metrics) & which
        ids = sorted({value["subnet_id"] for value in values})
        return [row.id for row in self._select(connection, ids, which, TABLE.c.id)]

    def _delete(self, connection: sa.Connection, rows: Sequence[int]) -> None:
        # by their keys: deleting what is not there would lock gaps that others write to
        for start in range(0, len(rows), _CHUNK):
            which = TABLE.c.id.in_(rows[start : start + _CHUNK])
            connection.execute(sa.delete(TABLE).where(which))

    def _select(
        self,
        connection: sa.Connection,
        ids: Sequence[str],
        which: sa.ColumnElement[bool],
        *columns: sa.Column[Any],
    ) -> Iterator[sa.Row[Any]]:
        """Yield rows of this setup by subnets, oldest first."""
        for start in range(0, len(ids), _CHUNK):
            yield from connection.execute(
                sa.select(*columns)
                .where(TABLE.c.setup_id == self._setup_id)
                .where(TABLE.c.subnet_id.in_(ids[start : start + _CHUNK]), which)
                .order_by(TABLE.c.id)
            )

    def read(self, subnets: Sequence[Subnet]) -> dict[Subnet, list[Reading]]:
        """Return the values of those subnets that have any, oldest first; failures have none."""
        which = TABLE.c.value.is_not(None)
        return self._database.read(lambda connection: self._read(connection, subnets, which))

    def failures(self, subnets: Sequence[Subnet], after: int) -> dict[Subnet, list[Reading]]:
        """Return the failures that were written after `last_row` was ``after``."""
        which = TABLE.c.value.is_(None) & (TABLE.c.id > after)
        return self._database.read(lambda connection: self._read(connection, subnets, which))

    def last_row(self) -> int:
        """Return the number of the newest row; later ones have larger numbers."""
        query = sa.select(sa.func.max(TABLE.c.id))
        return self._database.read(lambda connection: connection.execute(query).scalar()) or 0

    def _read(
        self, connection: sa.Connection, subnets: Sequence[Subnet], which: sa.ColumnElement[bool]
    ) -> dict[Subnet, list[Reading]]:
        wanted = {subnet_id(subnet): subnet for subnet in subnets}
        found: dict[Subnet, list[Reading]] = {}
        columns = (TABLE.c.subnet_id, *_FIELDS)
        for row in self._select(connection, list(wanted), which, *columns):
            values: Sequence[Any] = row[1:]
            with contextlib.suppress(*ROW_ERRORS):  # measured again
                reading = reading_of(*values)
                found.setdefault(wanted[row.subnet_id], []).append(reading)
        return found

    def first(self, metric: str) -> Reading | None:
        """Return the oldest value of a metric of any subnet, if there is one."""
        query = (
            sa.select(TABLE.c.id, *_FIELDS)
            .where(TABLE.c.setup_id == self._setup_id)
            .where(TABLE.c.metric == metric, TABLE.c.value.is_not(None))
            .order_by(TABLE.c.id)
            .limit(_FEW)
        )

        def after(row: int) -> Sequence[sa.Row[Any]]:
            later = query.where(TABLE.c.id > row)
            return self._database.read(lambda connection: connection.execute(later).all())

        rows = after(0)
        while rows:
            for row in rows:
                values: Sequence[Any] = row[1:]
                with contextlib.suppress(*ROW_ERRORS):
                    return reading_of(*values)
            rows = after(rows[-1].id)
        return None


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

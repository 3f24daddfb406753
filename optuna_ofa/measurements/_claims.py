"""Claims on subnets in work, so that several callers of one database share the work."""

from __future__ import annotations

import logging
import platform
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from uuid import uuid4

import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage

from optuna_ofa._terminations import terminations_raised
from optuna_ofa.exceptions import StorageError
from optuna_ofa.measurements._database import Database, digest, subnet_id, to_text
from optuna_ofa.space import Family, Subnet

# a claim whose holder has not renewed it for so long is free
LEASE_S = 30.0
_BEATS, _LOOKS = 6, 3  # in the time of a lease: renewals, and the fewest looks at a lost claim
_FORGOTTEN = 20  # leases after which claims of other setups are deleted

CLAIMS = sa.Table(
    "ofa_claims",
    sa.MetaData(),  # of its own: created with the first claim
    sa.Column("setup_id", sa.String(64), primary_key=True),
    sa.Column("subnet_id", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(32), nullable=False),
    sa.Column("beat", sa.Integer, nullable=False),
    sa.Column("worker", sa.String(128), nullable=False),
)
_logger = logging.getLogger(__name__)
T = TypeVar("T")
_Key = tuple[str, str]  # of a row: the setup and the subnet


class _Seen(NamedTuple):
    """A claim of another caller as it was last seen.

    Args:
        beat: Its holder, and how often that has renewed it.
        age_s: For how long it has not changed, by the clock of this process.
        at: When it was seen, by that clock.
    """

    beat: tuple[str, int]
    age_s: float
    at: float


class _Ages:
    """For how long claims have not changed, as far as this process has looked.

    Args:
        longest_s: What the time between two looks counts at most.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._seen: dict[_Key, _Seen] = {}

    def look(self, rows: Iterable[sa.Row[Any]]) -> None:
        """Note the present claims."""
        now, seen = time.monotonic(), {}
        for row in rows:
            key, beat, age_s = _key(row), (row.holder, row.beat), 0.0
            before = self._seen.get(key)
            if before is not None and before.beat == beat:
                age_s = before.age_s + min(now - before.at, self._longest_s)
            seen[key] = _Seen(beat, age_s, now)
        self._seen = seen

    def of(self, row: sa.Row[Any]) -> float:
        """Return the age of a claim that was seen by the last look."""
        return self._seen[_key(row)].age_s


def _key(row: sa.Row[Any]) -> _Key:
    return row.setup_id, row.subnet_id


class Claims:
    """The subnets of one setup that this caller measures, while others measure the rest.

    A claim is a row of a table with a unique key, so that a subnet has one holder. A thread renews
    the claims as long as their holder works. Nobody compares clocks of different machines: a
    caller that sees a claim unchanged for the time of a lease, by its own clock, takes it over.
    A time without looking, because the database is away or the machine sleeps, counts for little,
    and a look at an SQLite file counts only while it can be written.

    Use it as a context, at whose end all claims are released, also when SIGTERM ends it.

    Args:
        storage: As in `MeasurementTable`, like ``family`` and ``setup``.
        family: The family of all subnets.
        setup: The setup.
        lease_s: Seconds after which a claim that is not renewed is free.
        worker: The name of this caller, for the progress of others; None is that of the machine.

    Raises:
        InvalidArgumentError: If the storage is no relational database.
        StorageError: If it cannot be reached or written.
    """

    def __init__(
        self,
        storage: str | BaseStorage | optuna.Study | Database,
        family: Family,
        setup: Mapping[str, Any],
        *,
        lease_s: float | None = None,
        worker: str | None = None,
    ) -> None:
        self._database = Database.of(storage)
        self._setup_id = digest(to_text({**setup, "family": family.fingerprint}))
        self._lease_s = LEASE_S if lease_s is None else lease_s
        self._holder = uuid4().hex
        self._worker = (worker or platform.node() or "unknown")[:128]
        self._ours: set[str] = set()
        self._ages, self._others = (_Ages(self._lease_s / _LOOKS) for _ in range(2))
        self._stack = ExitStack()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(terminations_raised())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._stack:
            self._stop.set()
            if self._thread is None:
                return
            try:  # one attempt: without it they are free after the time of a lease
                self._database.try_once(self._end)
            except StorageError as failure:
                _logger.warning("%d claims were not released: %s", len(self._ours), failure)

    def _end(self, connection: sa.Connection) -> None:
        """Delete the claims, also those of an attempt whose answer did not come."""
        query = sa.select(CLAIMS.c.subnet_id).where(*self._own())
        ids = connection.execute(query).scalars().all()
        if ids:
            which = CLAIMS.c.subnet_id.in_(sorted(ids))
            connection.execute(sa.delete(CLAIMS).where(*self._own(), which))

    def take(self, subnets: Iterable[Subnet], n: int | None = None) -> list[Subnet]:
        """Claim the first ``n`` subnets that are free, or all of them.

        Args:
            subnets: Different subnets, in the order in which they are wanted.
            n: At most how many are claimed; None is all.

        Returns:
            Those that are claimed now, in the same order, without those that were before. Another
            caller may have measured them since they were looked up.
        """
        return self._take(list(subnets), subnet_id, n)

    def take_name(self, name: str) -> bool:
        """Claim something else than a subnet, and return whether it is claimed now."""
        return bool(self._take([name], digest, 1))

    def release_name(self, name: str) -> None:
        """Release what `take_name` has claimed."""
        self._release([digest(name)])

    def held_by_others(self, subnets: Iterable[Subnet]) -> dict[Subnet, str]:
        """Return those subnets that others have claimed, with the names of these callers."""
        self._prepare()
        held = self._database.read(self._rows)
        found = {s: held.get(subnet_id(s)) for s in subnets}
        return {s: row.worker for s, row in found.items() if row and row.holder != self._holder}

    def release(self, subnets: Iterable[Subnet]) -> None:
        """Give up claims without a measurement."""
        self._release([subnet_id(subnet) for subnet in subnets])

    def spend(self, connection: sa.Connection, subnets: Iterable[Subnet]) -> set[Subnet]:
        """Release claims within a transaction that writes what was measured.

        It is the first statement of the transaction, so that nobody takes a claim over meanwhile.

        Returns:
            Those subnets that were still ours. Others have been taken over.
        """
        ids = {subnet_id(subnet): subnet for subnet in subnets}
        found = set()
        for i in sorted(ids):  # in the same order as others, who might wait for each other
            own = sa.delete(CLAIMS).where(*self._own(), CLAIMS.c.subnet_id == i)
            if connection.execute(own).rowcount:
                found.add(ids[i])
        return found

    def forget(self, subnets: Iterable[Subnet]) -> None:
        """Stop renewing claims whose transaction is committed."""
        with self._lock:
            self._ours.difference_update(subnet_id(subnet) for subnet in subnets)

    def _own(self) -> tuple[sa.ColumnElement[bool], ...]:
        return CLAIMS.c.setup_id == self._setup_id, CLAIMS.c.holder == self._holder

    def _release(self, ids: Sequence[str]) -> None:
        with self._lock:
            own = sorted(self._ours.intersection(ids))
            self._ours.difference_update(own)
        if own:
            which = sa.delete(CLAIMS).where(*self._own(), CLAIMS.c.subnet_id.in_(own))
            self._database.run(lambda connection: connection.execute(which), len(own))

    def _rows(self, connection: sa.Connection) -> dict[str, sa.Row[Any]]:
        """Return all claims of the setup, of which there are few."""
        query = sa.select(CLAIMS).where(CLAIMS.c.setup_id == self._setup_id)
        return {row.subnet_id: row for row in connection.execute(query)}

    def _take(self, wanted: Sequence[T], id_of: Callable[[T], str], n: int | None) -> list[T]:
        self._prepare()
        most = len(wanted) if n is None else min(n, len(wanted))
        taken = self._database.run(
            lambda connection: self._taken(connection, wanted, id_of, n), most
        )
        with self._lock:
            self._ours.update(taken)
        return list(taken.values())

    def _taken(
        self,
        connection: sa.Connection,
        wanted: Sequence[T],
        id_of: Callable[[T], str],
        n: int | None,
    ) -> dict[str, T]:
        if connection.dialect.name == "sqlite":  # others can renew their claims, as this can write
            connection.execute(sa.update(CLAIMS).where(sa.false()).values(beat=CLAIMS.c.beat))
        rows = self._rows(connection)
        self._ages.look(rows.values())
        lost = {i for i, row in rows.items() if self._ages.of(row) >= self._lease_s}
        # of an attempt whose answer did not come
        lost |= {i for i, row in rows.items() if row.holder == self._holder} - self._ours
        lost -= self._ours
        keyed = ((id_of(one), one) for one in wanted)  # as many as it takes
        chosen = dict(islice(((i, one) for i, one in keyed if i not in rows or i in lost), n))
        taken = {i for i in sorted(chosen) if i in rows and self._take_over(connection, rows[i])}
        new = sorted(chosen.keys() - rows.keys())
        if new:
            same = {"setup_id": self._setup_id, "holder": self._holder, "worker": self._worker}
            connection.execute(
                sa.insert(CLAIMS), [{"subnet_id": i, "beat": 0, **same} for i in new]
            )
        return {i: one for i, one in chosen.items() if i in taken or i not in rows}

    def _take_over(self, connection: sa.Connection, row: sa.Row[Any]) -> bool:
        """Take a claim that was not renewed; False if it was, or another caller was faster."""
        same = [CLAIMS.c[key] == row._mapping[key] for key in ("subnet_id", "holder", "beat")]
        update = sa.update(CLAIMS).where(CLAIMS.c.setup_id == self._setup_id, *same)
        new = {"holder": self._holder, "worker": self._worker, "beat": row.beat + 1}
        return bool(connection.execute(update, new).rowcount)

    def _prepare(self) -> None:
        """Create the table, and start the thread that renews claims, with the first of them."""
        if self._thread is None:
            self._database.create(CLAIMS)
            self._thread = threading.Thread(
                target=self._beat, name="optuna_ofa-claims", daemon=True
            )
            if not self._database.is_in_memory:
                self._thread.start()

    def renew(self) -> None:
        """Renew all claims that are held. The thread does it."""
        with self._lock:
            own = sorted(self._ours)
        which = sa.update(CLAIMS).where(*self._own(), CLAIMS.c.subnet_id.in_(own))
        if own:
            self._database.try_once(
                lambda connection: connection.execute(which.values(beat=CLAIMS.c.beat + 1))
            )
            self._database.try_once(self._tidy)

    def _tidy(self, connection: sa.Connection) -> None:
        """Delete claims of any setup whose holder is gone, and that nobody else has taken over."""
        rows = connection.execute(sa.select(CLAIMS).where(CLAIMS.c.holder != self._holder)).all()
        self._others.look(rows)
        for row in rows:
            if self._others.of(row) >= _FORGOTTEN * self._lease_s:
                same = [column == row._mapping[column.name] for column in CLAIMS.c]
                connection.execute(sa.delete(CLAIMS).where(*same))

    def _beat(self) -> None:
        is_new = True
        while not self._stop.wait(self._lease_s / _BEATS):
            try:
                self.renew()
                is_new = True
            except StorageError as error:  # the next beat may get through
                if is_new:
                    _logger.warning(
                        "Claims were not renewed, which is tried again every %.0f s: %s",
                        self._lease_s / _BEATS,
                        error,
                    )
                is_new = False

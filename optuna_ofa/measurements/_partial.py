"""Which images subnets were right on, so that their evaluation goes on where it stopped."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import optuna
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa.measurements._claims import Claims
from optuna_ofa.measurements._database import Database, digest, metadata, to_text
from optuna_ofa.measurements._table import ROW_ERRORS
from optuna_ofa.space import Family, Subnet

# a table of its own, so that accuracies on some of the images never mix with those on all
PARTIAL = sa.Table(
    "ofa_partial",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("setup_id", sa.String(64), nullable=False),
    sa.Column("subnet_id", sa.String(64), nullable=False),
    sa.Column("family", sa.String(128), nullable=False),
    sa.Column("n_images", sa.Integer, nullable=False),
    sa.Column("n_right_top5", sa.Integer, nullable=False),
    sa.Column("right_top1", sa.LargeBinary(2**24 - 1), nullable=False),
    sa.Column("subnet", sa.Text, nullable=False),
    sa.Column("measured_at", sa.String(32), nullable=False),
    sa.Index("ix_ofa_partial_setup", "setup_id", "subnet_id"),
)
# how likely subnets differ on each image, which determines the order of the images in a setup
IMAGES = sa.Table(
    "ofa_images",
    metadata,
    sa.Column("setup_id", sa.String(64), primary_key=True),
    sa.Column("n_images", sa.Integer, nullable=False),
    sa.Column("differs", sa.LargeBinary(2**24 - 1), nullable=False),
    sa.Column("measured_at", sa.String(32), nullable=False),
)
# which subnets stopped early after so many images of a race, with their estimated accuracies
STOPS = sa.Table(
    "ofa_stops",
    metadata,
    sa.Column("race_id", sa.String(64), primary_key=True),
    sa.Column("n_images", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("setup_id", sa.String(64), nullable=False),
    sa.Column("stops", sa.Text, nullable=False),
    sa.Column("measured_at", sa.String(32), nullable=False),
)
_COLUMNS = tuple(PARTIAL.c[c] for c in ("subnet_id", "n_images", "n_right_top5", "right_top1"))
_CHUNK = 500  # how many subnets are queried at once; databases limit the parameters


class Answers(NamedTuple):
    """The answers of a subnet on the first images of their order.

    Args:
        right: ``(n,)`` whether each was right.
        n_top5: On how many the class was among the five likeliest.
    """

    right: NDArray[np.bool_]
    n_top5: int

    def __len__(self) -> int:
        return len(self.right)

    def followed_by(self, right: NDArray[np.bool_]) -> Answers:
        """Return these and the answers on the next images, ``(n, 2)``: top-1 and top-5."""
        more = int(right[:, 1].sum())
        return Answers(np.concatenate([self.right, right[:, 0]]), self.n_top5 + more)


NO_ANSWERS = Answers(np.zeros(0, dtype=bool), 0)


class PartialTable:
    """The answers of subnets in one setup: weights, images, calibration and so on.

    Args:
        storage: As in `MeasurementTable`, like all further arguments.
    """

    def __init__(
        self,
        storage: str | BaseStorage | optuna.Study | Database,
        family: Family,
        setup: Mapping[str, Any],
    ) -> None:
        self._family = family
        self._setup_id = digest(to_text({**setup, "family": family.fingerprint}))
        self._database = Database.of(storage)

    def order(self) -> NDArray[np.float16] | None:
        """Return how likely subnets differ on each image, ``(n,)``; None if it is not known."""
        return self._database.read(self._order)

    def _order(self, connection: sa.Connection) -> NDArray[np.float16] | None:
        query = sa.select(IMAGES.c.n_images, IMAGES.c.differs).filter_by(setup_id=self._setup_id)
        row = connection.execute(query).first()
        if row is None or not isinstance(row.differs, bytes):
            return None
        found = np.frombuffer(row.differs, np.float16)
        return found if len(found) == row.n_images and (found > 0).all() else None

    def set_order(self, differs: NDArray[np.float16]) -> NDArray[np.float16]:
        """Write what `order` returns, and return what counts: the first that any process wrote."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"n_images": len(differs), "differs": differs.tobytes(), "measured_at": now}

        def transaction(connection: sa.Connection) -> NDArray[np.float16]:
            known = self._order(connection)
            if known is None:  # or its row is damaged
                connection.execute(sa.delete(IMAGES).filter_by(setup_id=self._setup_id))
                connection.execute(sa.insert(IMAGES), {"setup_id": self._setup_id, **row})
            return differs if known is None else known

        return self._database.run(transaction)

    def stops(self, race: str, n: int) -> list[Any] | None:
        """Return what `add_stops` has written for a race and a number of images, if anything."""
        return self._database.read(lambda connection: self._stops(connection, race, n))

    def _stops(self, connection: sa.Connection, race: str, n: int) -> list[Any] | None:
        query = sa.select(STOPS.c.stops).filter_by(race_id=race, n_images=n)
        text = connection.execute(query).scalar()
        with contextlib.suppress(*ROW_ERRORS):
            found = json.loads(text or "")
            return found if isinstance(found, list) else None
        return None

    def add_stops(self, race: str, n: int, stops: Sequence[Any]) -> Sequence[Any]:
        """Write which subnets of a race stop after ``n`` images (JSON).

        Returns:
            What counts: the first that any process wrote.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        row = {"race_id": race, "n_images": n, "setup_id": self._setup_id}
        row |= {"stops": json.dumps(list(stops)), "measured_at": now}

        def transaction(connection: sa.Connection) -> Sequence[Any]:
            known = self._stops(connection, race, n)
            if known is None:
                connection.execute(sa.delete(STOPS).filter_by(race_id=race, n_images=n))
                connection.execute(sa.insert(STOPS), row)
            return stops if known is None else known

        return self._database.run(transaction)

    def write(
        self, answers: Mapping[Subnet, Answers], claims: Claims | None = None
    ) -> Sequence[Subnet]:
        """Write the answers of subnets, all or none, in place of the earlier ones.

        Args:
            answers: The answers by subnet.
            claims: The caller's claims, which are released; nothing is written of a subnet whose
                claim was lost. None writes all.

        Returns:
            The subnets whose answers were written.
        """
        if not answers:
            return []

        def transaction(connection: sa.Connection) -> Sequence[Subnet]:
            own = answers if claims is None else claims.spend(connection, answers)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            rows = [self._row(s, of, now) for s, of in answers.items() if s in own]
            ids = [row["subnet_id"] for row in rows]
            old = connection.execute(self._query(PARTIAL.c.id, ids=ids)).scalars().all()
            if old:
                connection.execute(sa.delete(PARTIAL).where(PARTIAL.c.id.in_(old)))
            if rows:
                connection.execute(sa.insert(PARTIAL), rows)
            return [subnet for subnet in answers if subnet in own]

        written = self._database.run(transaction, len(answers))
        if claims is not None:
            claims.forget(answers)
        return written

    def _row(self, subnet: Subnet, of: Answers, now: str) -> dict[str, Any]:
        text = to_text(subnet.to_dict(by_name=True))
        return {
            "setup_id": self._setup_id,
            "subnet_id": digest(text),
            "family": self._family.name,
            "n_images": len(of),
            "n_right_top5": of.n_top5,
            "right_top1": np.packbits(of.right).tobytes(),
            "subnet": text,
            "measured_at": now,
        }

    def read(self, subnets: Sequence[Subnet]) -> dict[Subnet, Answers]:
        """Return the answers of those subnets that have any."""
        wanted = {digest(to_text(s.to_dict(by_name=True))): s for s in subnets}
        ids = list(wanted)

        def transaction(connection: sa.Connection) -> dict[Subnet, Answers]:
            found = {}
            for start in range(0, len(ids), _CHUNK):
                query = self._query(*_COLUMNS, ids=ids[start : start + _CHUNK])
                for subnet_id, n, n_top5, content in connection.execute(query):
                    answers = _answers(n, n_top5, content)
                    if answers is not None:  # otherwise evaluated again
                        found[wanted[subnet_id]] = answers
            return found

        return self._database.read(transaction)

    def _query(self, *columns: sa.Column[Any], ids: Iterable[str]) -> sa.Select[Any]:
        return (
            sa.select(*columns)
            .where(PARTIAL.c.setup_id == self._setup_id)
            .where(PARTIAL.c.subnet_id.in_(list(ids)))
            .order_by(PARTIAL.c.id)
        )


def _answers(n: object, n_top5: object, content: object) -> Answers | None:
    """Return the answers of a row; None if it was damaged."""
    if not isinstance(n, int) or not isinstance(n_top5, int) or not isinstance(content, bytes):
        return None
    if len(content) != -(-n // 8) or n < 1 or not 0 <= n_top5 <= n:
        return None
    right = np.unpackbits(np.frombuffer(content, np.uint8), count=n).astype(bool)
    return Answers(right, n_top5) if right.sum() <= n_top5 else None

"""Transactions that meet locks of others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from optuna_ofa.exceptions import StorageError
from optuna_ofa.storage import _transactions, relational
from optuna_ofa.storage._transactions import is_transient, retrying
from optuna_ofa.studies import SubnetStudy

LOCKED = sqlite3.OperationalError("database is locked")


class DriverError(Exception):
    """What psycopg raises."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__("an error")
        self.sqlstate = sqlstate


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, which take no time."""
    made: list[float] = []
    clock = iter(range(1000))
    monkeypatch.setattr(_transactions.time, "sleep", made.append)
    monkeypatch.setattr(_transactions.time, "monotonic", lambda: next(clock))
    return made


@pytest.fixture
def engine() -> sa.Engine:
    return sa.create_engine("sqlite://")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(LOCKED, True, id="sqlite-locked"),
        pytest.param(sqlite3.OperationalError("database or disk is full"), False, id="full"),
        pytest.param(Exception(1205, "Lock wait timeout exceeded"), True, id="mysql-timeout"),
        pytest.param(Exception(1213, "Deadlock found"), True, id="mysql-deadlock"),
        pytest.param(Exception(1146, "No such table"), False, id="mysql-other"),
        pytest.param(DriverError("40P01"), True, id="postgresql-deadlock"),
        pytest.param(DriverError("40001"), True, id="postgresql-serialization"),
        pytest.param(DriverError("53100"), False, id="postgresql-full"),
    ],
)
def test_what_may_be_gone_next_time(error: Exception, expected: bool) -> None:
    assert is_transient(error) == expected
    assert is_transient(OperationalError("INSERT", {}, error)) == expected


def test_a_lock_is_waited_for(engine: sa.Engine, pauses: list[float]) -> None:
    errors = [LOCKED] * 8

    def attempt() -> str:
        if errors:
            raise errors.pop()
        return "written"

    assert retrying(attempt, engine, 5) == "written"
    assert len(pauses) == 8
    assert pauses[0] < 0.1 < 2 < pauses[-1] < 8


@pytest.mark.parametrize(
    ("error", "n_pauses"),
    [pytest.param(LOCKED, 60, id="lock"), pytest.param(sqlite3.Error("disk full"), 0, id="other")],
)
def test_the_end_says_how_many_were_not_written(
    engine: sa.Engine, pauses: list[float], error: Exception, n_pauses: int
) -> None:
    def attempt() -> None:
        raise error

    with pytest.raises(StorageError, match=f"5 trials were not written to 'sqlite://', .* {error}"):
        retrying(attempt, engine, 5)
    assert len(pauses) == n_pauses


def test_other_errors_are_not_touched(engine: sa.Engine, pauses: list[float]) -> None:
    def attempt() -> None:
        raise OSError("database is locked")

    with pytest.raises(OSError, match="is locked"):
        retrying(attempt, engine, 5)
    assert pauses == []


def test_a_generation_waits_for_the_lock_of_another(
    make_study: Callable[..., SubnetStudy], sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(storage=sqlite, study_name="a")
    study.search(100)
    tables: Any = relational(study._storage)
    tables.engine.dispose()
    sa.event.listen(tables.engine, "connect", lambda c, _: c.execute("PRAGMA busy_timeout = 0"))
    other = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(_transactions.time, "sleep", lambda _: other.execute("ROLLBACK"))
    study.search(100)
    assert [t.number for t in study.trials] == list(range(200))

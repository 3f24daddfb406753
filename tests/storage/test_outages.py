"""Servers that go away while a study is searched."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError, PendingRollbackError

from optuna_ofa.exceptions import StorageError
from optuna_ofa.storage import _outages, relational
from optuna_ofa.storage._outages import Patience, is_gone, patiently
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
REFUSED = psycopg.OperationalError("connection failed: refused")
LOST = pymysql.OperationalError(2013, "Lost connection")


def of_optuna(error: Exception) -> Exception:
    raised = StorageInternalError("text")
    raised.__cause__ = error
    return raised


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(REFUSED, True, id="postgresql-refused"),
        pytest.param(psycopg.errors.AdminShutdown("text"), True, id="postgresql-shutdown"),
        pytest.param(psycopg.errors.CannotConnectNow("text"), True, id="postgresql-starting"),
        pytest.param(psycopg.errors.TooManyConnections("text"), True, id="postgresql-full"),
        pytest.param(psycopg.errors.DiskFull("text"), False, id="postgresql-disk"),
        pytest.param(psycopg.errors.UniqueViolation("text"), False, id="postgresql-unique"),
        pytest.param(psycopg.ProgrammingError("text"), False, id="postgresql-call"),
        pytest.param(LOST, True, id="mysql-lost"),
        pytest.param(pymysql.OperationalError(1927, "Killed"), True, id="mysql-killed"),
        pytest.param(pymysql.InterfaceError(0, ""), True, id="mysql-closed"),
        pytest.param(pymysql.OperationalError(1045, "Denied"), False, id="mysql-denied"),
        pytest.param(sqlite3.OperationalError("disk I/O error"), False, id="sqlite"),
        pytest.param(PendingRollbackError("text"), True, id="after-another-error"),
        pytest.param(StorageError("has waited"), False, id="ours"),
        pytest.param(OSError(2013, "text"), False, id="system"),
    ],
)
def test_which_errors_are_of_a_server_that_is_away(error: Exception, expected: bool) -> None:
    assert is_gone(error) == expected
    assert is_gone(of_optuna(error)) == (expected)
    if not isinstance(error, PendingRollbackError | StorageError | OSError):
        assert is_gone(OperationalError("INSERT", {}, error)) == expected


class TestPatience:
    """How long is waited, with a clock of the test's."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        monkeypatch.setattr(_outages.time, "sleep", sleep)
        monkeypatch.setattr(_outages.time, "monotonic", lambda: now[0])
        return now

    def test_a_line_a_minute_and_then_the_error(
        self, clock: list[float], caplog: pytest.LogCaptureFixture
    ) -> None:
        def call() -> None:
            raise REFUSED

        caplog.set_level(logging.WARNING, logger="optuna_ofa")
        with pytest.raises(psycopg.OperationalError, match="refused"):
            patiently(call, "postgresql://me:secret@host/nas")
        assert 600 < clock[0] < 610
        assert len(caplog.messages) in (9, 10, 11)
        assert "'postgresql://***@host/nas' has been away for " in caplog.messages[0]
        assert "secret" not in caplog.text

    def test_an_answer_ends_it(self, clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
        errors = [LOST, REFUSED, LOST]

        def call() -> str:
            if errors:
                raise errors.pop()
            return "there"

        assert patiently(call, "mysql://host/nas") == "there"
        assert clock[0] < 5
        assert caplog.messages == []

    def test_other_errors_are_not_waited_for(self, clock: list[float]) -> None:
        assert not Patience("mysql://host/nas").waits(ValueError("text"))
        assert clock == [0.0]


@contextmanager
def killed(study: SubnetStudy, every: int) -> Iterator[list[str]]:
    """End the connection five times, each after so many statements, just before the next."""
    tables: Any = relational(study._storage)
    engine, sent = tables.engine, [0]
    other = sa.create_engine(engine.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    is_postgresql = engine.dialect.name == "postgresql"
    ids: dict[Any, int] = {}
    ended: list[str] = []

    def note(connection: Any, record: Any) -> None:
        own = "SELECT pg_backend_pid()" if is_postgresql else "SELECT connection_id()"
        cursor = connection.cursor()
        cursor.execute(own)
        ids[connection] = cursor.fetchone()[0]
        cursor.close()
        connection.rollback()

    def kill(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        sent[0] += 1
        own = ids.get(connection.connection.dbapi_connection)
        if own is None or sent[0] % every or len(ended) == 5:
            return
        end = f"SELECT pg_terminate_backend({own}, 1000)" if is_postgresql else f"KILL {own}"
        with other.connect() as another:
            another.exec_driver_sql(end)
        ended.append(statement)

    engine.dispose()
    sa.event.listen(engine, "connect", note)
    sa.event.listen(engine, "before_cursor_execute", kill)
    yield ended
    sa.event.remove(engine, "before_cursor_execute", kill)
    sa.event.remove(engine, "connect", note)


class TestKilledConnections:
    """Connections that a server ends in the midst of transactions."""

    @pytest.fixture(params=["postgresql", "mysql"])
    def url(self, request: pytest.FixtureRequest, database: Callable[[str], str]) -> str:
        """Address of a server of each kind that can be had."""
        return database(request.param)

    @pytest.mark.parametrize("every", [3, 7, 13])
    def test_a_search_goes_on(
        self, make_study: Make, url: str, names: Callable[[], str], every: int
    ) -> None:
        study = make_study(storage=url, study_name=names(), seed=1)
        with killed(study, every) as ended:
            study.search(300)
        assert ended
        trials = study.trials
        assert [trial.number for trial in trials] == list(range(300))
        assert {trial.state for trial in trials} == {TrialState.COMPLETE}
        alone = make_study(seed=1)
        alone.search(300)
        assert [t.user_attrs["subnet"] for t in trials] == [
            t.user_attrs["subnet"] for t in alone.trials
        ]

    def test_so_does_measuring(self, make_study: Make, url: str, names: Callable[[], str]) -> None:
        study = make_study(storage=url, study_name=names(), seed=1)
        study.search(100)
        with killed(study, 7) as ended:
            asked = study.ask_batch(4)
            for one in asked:
                one.trial.set_user_attr("place", uuid4().hex)
            study.tell_batch(asked, [[75.0, 20.0 + i] for i in range(4)])
            found = study.front(kind="measured")
        assert ended
        assert len(found) == 1
        assert len(study.results(kind="measured").numbers) == 4

    def test_so_does_optuna(self, make_study: Make, url: str, names: Callable[[], str]) -> None:
        study = make_study(storage=url, study_name=names(), seed=1)
        with killed(study, 11) as ended:
            study.optimize(study.problem, n_trials=5)
        assert ended
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 5

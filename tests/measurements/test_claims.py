"""Claims on subnets in work."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from optuna.storages import InMemoryStorage

from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError, StorageError
from optuna_ofa.measurements import (
    Answers,
    Claims,
    MeasurementTable,
    PartialTable,
    Reading,
    _claims,
    _database,
)
from optuna_ofa.measurements._claims import CLAIMS
from optuna_ofa.measurements._database import Database, subnet_id
from optuna_ofa.storage import retrying

SPACE = SearchSpace("ofa_mbv3_w1.0")
SUBNETS = SPACE.from_matrix(SPACE.sample(6, seed=0))


class Clock:
    """A clock of the test's, which all callers look at."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_claims, "time", clock)
    return clock


@pytest.fixture
def setup() -> dict[str, Any]:
    """A setup of this test only, where others write to the same server."""
    return {"device": "phone", "test": uuid4().hex}


class Callers:
    """Makes callers of one setup, whose claims are released at the end."""

    def __init__(self, url: str, setup: dict[str, Any], stack: ExitStack) -> None:
        self.url, self.setup, self._stack = url, setup, stack
        self.database = Database(url)

    def __call__(self, worker: str = "a", lease_s: float = 3600.0) -> Claims:
        made = Claims(self.database, SPACE.family, self.setup, worker=worker, lease_s=lease_s)
        return self._stack.enter_context(made)

    def rows(self) -> list[Any]:
        own = Claims(self.database, SPACE.family, self.setup)._setup_id
        with self.database._engine.begin() as connection:
            query = sa.select(CLAIMS).where(CLAIMS.c.setup_id == own)
            return list(connection.execute(query))


@pytest.fixture
def callers(url: str, setup: dict[str, Any]) -> Iterator[Callers]:
    with ExitStack() as stack:
        yield Callers(url, setup, stack)


def reading(value: float | None, error: str | None = None, metric: str = "top1") -> Reading:
    return Reading(metric, value, 0.1, 20, {}, error)


class TestTaking:
    def test_a_subnet_has_one_holder(self, callers: Callers) -> None:
        a, b = callers("a"), callers("b")
        assert a.take(SUBNETS, 2) == SUBNETS[:2]
        assert b.take(SUBNETS, 3) == SUBNETS[2:5]
        assert a.take(SUBNETS) == SUBNETS[5:]
        assert b.take(SUBNETS) == a.take(SUBNETS) == []
        assert b.held_by_others(SUBNETS) == dict.fromkeys((*SUBNETS[:2], SUBNETS[5]), "a")

    def test_what_is_released_is_free(self, callers: Callers) -> None:
        a, b = callers("a"), callers("b")
        a.take(SUBNETS)
        a.release(SUBNETS[3:])
        b.release(SUBNETS)  # of another, which does nothing
        assert b.take(SUBNETS) == SUBNETS[3:]

    def test_the_end_releases_all(self, callers: Callers) -> None:
        with callers("a") as a:
            a.take(SUBNETS)
        assert callers.rows() == []

    def test_other_setups_are_other_claims(self, url: str, callers: Callers) -> None:
        callers().take(SUBNETS)
        with Claims(url, SPACE.family, {**callers.setup, "metric": "top5"}) as other:
            assert other.take(SUBNETS) == SUBNETS

    def test_no_more_subnets_are_looked_at_than_are_taken(
        self, callers: Callers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        a, b, ids = callers(), callers(), []
        b.take(SUBNETS[:2])
        monkeypatch.setattr(_claims, "subnet_id", lambda s: ids.append(s) or subnet_id(s))
        assert a.take(SUBNETS, 1) == SUBNETS[2:3]
        assert ids == SUBNETS[:3]

    def test_something_else_than_a_subnet(self, callers: Callers) -> None:
        a, b = callers(), callers()
        assert a.take_name("order")
        assert not b.take_name("order")
        a.release_name("order")
        assert b.take_name("order")

    def test_callers_at_once_take_each_subnet_once(self, callers: Callers) -> None:
        start, taken = threading.Barrier(3, timeout=60), []

        def work() -> None:
            own = Callers(callers.url, callers.setup, stack)()
            start.wait()
            taken.extend(s for _ in SUBNETS for s in own.take(SUBNETS, 1))

        with ExitStack() as stack:
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(taken, key=SUBNETS.index) == SUBNETS


class TestLeases:
    """Who holds a claim whose holder has stopped, by a clock of the test's."""

    def test_a_claim_that_is_not_renewed_is_free_after_the_lease(
        self, callers: Callers, clock: Clock
    ) -> None:
        a, b, c = (callers(name, lease_s=30.0) for name in "abc")
        a.take(SUBNETS[:2])
        for _ in range(4):
            assert b.take(SUBNETS[:2]) == []
            clock.now += 9
        assert c.take(SUBNETS[:2]) == []  # who has not seen it for so long
        assert b.take(SUBNETS[:2]) == SUBNETS[:2]
        assert a.held_by_others(SUBNETS) == dict.fromkeys(SUBNETS[:2], "b")

    def test_a_claim_that_is_renewed_is_not(self, callers: Callers, clock: Clock) -> None:
        a, b = callers("a", lease_s=30.0), callers("b", lease_s=30.0)
        a.take(SUBNETS[:1])
        for _ in range(12):
            assert b.take(SUBNETS[:1]) == []
            clock.now += 9
            a.renew()
        assert a.held_by_others(SUBNETS) == {}

    def test_a_time_without_looking_counts_for_little(self, callers: Callers, clock: Clock) -> None:
        a, b = callers("a", lease_s=30.0), callers("b", lease_s=30.0)
        a.take(SUBNETS[:1])
        b.take(SUBNETS[:1])
        clock.now += 3600  # the machine slept, or the database was away
        assert b.take(SUBNETS[:1]) == []

    def test_a_file_that_nobody_can_write_makes_no_claim_older(
        self, sqlite: str, setup: dict[str, Any], clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_database, "retrying", partial(retrying, seconds=0))
        with ExitStack() as stack:
            callers = Callers(f"{sqlite}?timeout=0.01", setup, stack)
            a, b = callers("a", lease_s=30.0), callers("b", lease_s=30.0)
            a.take(SUBNETS[:1])
            other = sqlite3.connect(sqlite.removeprefix("sqlite:///"), isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            for _ in range(6):
                with pytest.raises(StorageError, match="is locked"):
                    b.take(SUBNETS[:1])
                assert b.held_by_others(SUBNETS) == {SUBNETS[0]: "a"}
                clock.now += 9
            other.close()
            assert b.take(SUBNETS[:1]) == []
            clock.now += 9
            a.renew()
            assert b.take(SUBNETS[:1]) == []

    def test_claims_that_nobody_wants_are_deleted_later(
        self, callers: Callers, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(_claims, "_FORGOTTEN", 2)
        a = callers("a", lease_s=30.0)
        a.take(SUBNETS)
        with Claims(callers.url, SPACE.family, {"of": callers.setup}, lease_s=30.0) as other:
            other.take(SUBNETS)
            for _ in range(7):
                assert len(callers.rows()) == 6
                other.renew()
                a.renew()
                clock.now += 9
            for _ in range(7):
                assert len(callers.rows()) == 6
                other.renew()
                clock.now += 9
            other.renew()
            assert callers.rows() == []
            assert other.held_by_others(SUBNETS) == {}

    def test_one_of_two_takes_it_over(self, callers: Callers, clock: Clock) -> None:
        a, b, c = (callers(name, lease_s=30.0) for name in "abc")
        a.take(SUBNETS[:1])
        for _ in range(3):
            assert b.take(SUBNETS[:1]) == c.take(SUBNETS[:1]) == []
            clock.now += 10
        assert b.take(SUBNETS[:1]) == SUBNETS[:1]
        assert c.take(SUBNETS[:1]) == []

    def test_a_holder_that_works_renews(self, callers: Callers) -> None:
        a = callers(lease_s=0.06)
        a.take(SUBNETS[:1])
        end = time.monotonic() + 30
        while callers.rows()[0].beat < 3 and time.monotonic() < end:
            time.sleep(0.01)
        assert callers.rows()[0].beat >= 3


class TestWriting:
    """Readings are written by whoever holds the claim, which ends with that."""

    def test_the_claim_ends_with_the_reading(
        self, url: str, setup: dict[str, Any], callers: Callers
    ) -> None:
        table, a = MeasurementTable(url, SPACE.family, setup), callers()
        a.take(SUBNETS[:2])
        table.add_claimed([(SUBNETS[0], reading(70.0))], a)
        assert len(callers.rows()) == 1
        assert table.read(SUBNETS) == {SUBNETS[0]: [reading(70.0)]}

    def test_a_caller_that_lost_its_claim_writes_nothing(
        self, url: str, setup: dict[str, Any], callers: Callers, clock: Clock
    ) -> None:
        table, a, b = MeasurementTable(url, SPACE.family, setup), callers(), callers()
        a.take(SUBNETS[:2])
        a._lease_s = b._lease_s = 1.0
        while not b.take(SUBNETS[:1]):
            clock.now += 1
        both = [(s, reading(70.0)) for s in SUBNETS[:2]]
        assert table.add_claimed(both, a) == {SUBNETS[1]}
        assert table.read(SUBNETS) == {SUBNETS[1]: [reading(70.0)]}
        table.add_claimed([(SUBNETS[0], reading(71.0))], b)
        assert table.read(SUBNETS[:1]) == {SUBNETS[0]: [reading(71.0)]}

    def test_what_is_there_is_not_written_twice(
        self, url: str, setup: dict[str, Any], callers: Callers
    ) -> None:
        table, a = MeasurementTable(url, SPACE.family, setup), callers()
        a.take(SUBNETS[:1])
        table.add([(SUBNETS[0], reading(70.0))])  # by a caller that claims nothing
        new = [(SUBNETS[0], reading(71.0)), (SUBNETS[0], reading(90.0, metric="top5"))]
        table.add_claimed(new, a)
        assert table.read(SUBNETS) == {SUBNETS[0]: [reading(70.0), reading(90.0, metric="top5")]}

    def test_failures_of_others_are_seen_from_a_row_on(
        self, url: str, setup: dict[str, Any], callers: Callers
    ) -> None:
        table, a = MeasurementTable(url, SPACE.family, setup), callers()
        table.add([(SUBNETS[0], reading(None, "old")), (SUBNETS[1], reading(None, "old"))])
        row = table.last_row()
        a.take(SUBNETS[1:2])
        table.add_claimed([(SUBNETS[1], reading(None, "new"))], a)
        assert table.failures(SUBNETS, row) == {SUBNETS[1]: [reading(None, "new")]}

    def test_of_answers(self, url: str, setup: dict[str, Any], callers: Callers) -> None:
        table, a = PartialTable(url, SPACE.family, setup), callers()
        right = Answers(np.ones(5, dtype=bool), 5)
        a.take(SUBNETS[:1])
        assert table.write(dict.fromkeys(SUBNETS[:2], right), a) == SUBNETS[:1]
        assert list(table.read(SUBNETS)) == SUBNETS[:1]
        assert callers.rows() == []


def test_a_process_that_is_killed_leaves_claims(
    callers: Callers, clock: Clock, processes: Any
) -> None:
    code = """
import time
from optuna_ofa.measurements import Claims
Claims(url, subnets[0].family, setup, worker="killed", lease_s=30.0).take(subnets)
time.sleep(600)
"""
    started = processes.start(code, url=callers.url, setup=callers.setup, subnets=SUBNETS[:2])
    own = callers(lease_s=30.0)
    while not own.held_by_others(SUBNETS):
        assert started.is_alive()
        time.sleep(0.05)
    os.kill(started.pid, signal.SIGKILL)
    started.join()
    assert own.held_by_others(SUBNETS) == dict.fromkeys(SUBNETS[:2], "killed")
    for _ in range(3):
        own.take(SUBNETS[:2])
        clock.now += 10
    assert own.take(SUBNETS[:2]) == SUBNETS[:2]


def test_a_process_that_is_terminated_releases_them(callers: Callers, processes: Any) -> None:
    code = """
import os, signal
from optuna_ofa.measurements import Claims
with Claims(url, subnets[0].family, setup) as claims:
    claims.take(subnets)
    os.kill(os.getpid(), signal.SIGTERM)
"""
    started = processes.start(code, url=callers.url, setup=callers.setup, subnets=SUBNETS)
    started.join()
    assert started.exitcode == 143
    assert callers().take(SUBNETS) == SUBNETS


def test_a_handler_of_the_program_is_left_alone(setup: dict[str, Any]) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Claims("sqlite:///:memory:", SPACE.family, setup):
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with Claims("sqlite:///:memory:", SPACE.family, setup):
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def test_claims_whose_answer_did_not_come_are_released_too(callers: Callers) -> None:
    with callers() as own:
        own.take(SUBNETS)
        own._ours.clear()
    assert callers.rows() == []


def test_that_they_are_not_renewed_is_said_once(
    callers: Callers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="optuna_ofa")
    own, asked = callers(), iter((True, True, False, True, None))
    monkeypatch.setattr(own, "_stop", SimpleNamespace(wait=lambda _: is_failing() is None))
    state = [None]

    def is_failing() -> bool | None:
        state[0] = next(asked)
        return state[0]

    def renew() -> None:
        if state[0]:
            raise StorageError("away")

    monkeypatch.setattr(own, "renew", renew)
    own._beat()
    assert caplog.text.count("away") == 2
    monkeypatch.undo()


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_connections_that_are_lost_change_nothing(
    kind: str, database: Any, setup: dict[str, Any]
) -> None:
    url = database(kind)
    table = MeasurementTable(url, SPACE.family, setup)
    engine = table._database._engine
    other = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    sent, ends = [0], iter((2, 5, 9, 12, 17))  # before which statements
    next_end = [next(ends)]

    def kill(connection: Any, cursor: Any, *rest: Any) -> None:
        sent[0] += 1
        if sent[0] < next_end[0]:
            return
        next_end[0] = next(ends, 10**9)
        dbapi = connection.connection.dbapi_connection
        own = dbapi.info.backend_pid if kind == "postgresql" else dbapi.thread_id()
        end = f"SELECT pg_terminate_backend({own}, 1000)" if kind == "postgresql" else f"KILL {own}"
        with other.connect() as another:
            another.exec_driver_sql(end)

    with table.claims() as claims:
        claims.take(SUBNETS[:1])
        sa.event.listen(engine, "before_cursor_execute", kill)
        assert claims.take(SUBNETS, 2) == SUBNETS[1:3]
        table.add_claimed([(s, reading(70.0)) for s in SUBNETS[:3]], claims)
        assert next(ends, None) is None
        for read in (
            lambda: table.read(SUBNETS),
            lambda: table.failures(SUBNETS, 0),
            table.last_row,
            lambda: table.first("top1"),
            lambda: claims.held_by_others(SUBNETS),
        ):
            next_end[0] = sent[0] + 1
            read()
        sa.event.remove(engine, "before_cursor_execute", kill)
    assert table.read(SUBNETS) == {s: [reading(70.0)] for s in SUBNETS[:3]}


def test_a_database_that_is_away_at_the_end_is_no_error(
    callers: Callers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="optuna_ofa")
    with callers() as own:
        own.take(SUBNETS)

        def fail() -> None:
            raise sa.exc.OperationalError("DELETE", {}, OSError("away"))

        monkeypatch.setattr(own._database._engine, "begin", fail)
    assert "6 claims were not released" in caplog.text
    monkeypatch.undo()
    assert len(callers.rows()) == 6


def test_a_database_in_memory(setup: dict[str, Any]) -> None:
    with Claims("sqlite:///:memory:", SPACE.family, setup) as own:
        assert own.take(SUBNETS) == SUBNETS


def test_no_database_is_refused(setup: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match="`storage` must be a relational database"):
        Claims(InMemoryStorage(), SPACE.family, setup)


def test_a_new_database_for_two_callers_at_once(url: str, setup: dict[str, Any]) -> None:
    start = threading.Barrier(4, timeout=60)
    errors: list[Exception] = []

    def work() -> None:
        try:
            start.wait()
            with Claims(url, SPACE.family, setup) as own:
                own.take(SUBNETS)
            MeasurementTable(url, SPACE.family, setup)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []

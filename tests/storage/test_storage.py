"""Trials in Optuna's relational storage: as Optuna itself would have written them."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa import SearchSpace
from optuna_ofa.exceptions import StorageError
from optuna_ofa.problem import Evaluated
from optuna_ofa.storage import _transactions, _write, relational
from optuna_ofa.storage._rows import finished_trials
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]
CHILDREN = [
    models.TrialParamModel,
    models.TrialValueModel,
    models.TrialUserAttributeModel,
    models.TrialSystemAttributeModel,
    models.TrialIntermediateValueModel,
    models.TrialHeartbeatModel,
]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kolkata"])
def _timezone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def tables(study: SubnetStudy) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a study's trials without ids, in an order that does not depend on ids.

    JSON is decoded, because ours has no spaces.
    """
    storage = relational(study._storage)
    assert storage is not None
    trials = models.TrialModel.__table__
    own = trials.c.study_id == study._study_id
    found: dict[str, list[tuple[Any, ...]]] = {}
    with storage.engine.connect() as connection:
        columns = [c for c in trials.c if c.name not in ("trial_id", "study_id")]
        rows = connection.execute(sa.select(*columns).where(own))
        found["trials"] = sorted(rows, key=repr)
        for model in CHILDREN:
            table = model.__table__
            columns = [c for c in table.c if not c.primary_key and c.name != "trial_id"]
            query = sa.select(trials.c.number, *columns).join(
                trials, trials.c.trial_id == table.c.trial_id
            )
            rows = (_decoded(row._mapping) for row in connection.execute(query.where(own)))
            found[table.name] = sorted(rows, key=repr)
    return found


def _decoded(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(json.loads(x) if name.endswith("_json") else x for name, x in row.items())


Generation = tuple[Evaluated, tuple[datetime.datetime, datetime.datetime]]


def predicted(study: SubnetStudy, n: int = 5) -> Generation:
    """Predictions of random subnets, and when they were made."""
    now = datetime.datetime.now()
    started = now - datetime.timedelta(seconds=3)
    return study.problem.evaluate(study.space.sample(n, seed=1)), (started, now)


def finished(study: SubnetStudy, generation: Generation) -> list[FrozenTrial]:
    """Finished trials of a generation."""
    evaluated, times = generation
    return finished_trials(study.problem, evaluated, [{}] * len(evaluated.matrix), times)


def batch(study: SubnetStudy, n: int = 5) -> list[FrozenTrial]:
    """Finished trials of random subnets."""
    return finished(study, predicted(study, n))


@pytest.mark.usefixtures("_timezone")
def test_rows_are_those_that_optuna_writes(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    constraints = {"latency_ms": 30.0, "top1": 72.0}
    ours, theirs = (
        make_study(storage=url, study_name=names(), constraints=constraints) for _ in range(2)
    )
    trials = predicted(ours)
    assert ours.store.write(*trials).own.numbers.tolist() == list(range(5))
    theirs.add_trials(finished(theirs, trials))
    assert tables(ours) == tables(theirs)
    assert len(tables(ours)["trial_params"]) == 5 * len(ours.space.genes)


@pytest.mark.parametrize("family", ["ofa_proxyless_w1.3", "ofa_resnet50"])
def test_rows_of_other_families(make_study: Make, sqlite: str, family: str) -> None:
    space = SearchSpace(family)
    ours, theirs = (make_study(space, storage=sqlite, study_name=name) for name in "ab")
    trials = predicted(ours)
    ours.store.write(*trials)
    theirs.add_trials(finished(theirs, trials))
    assert tables(ours) == tables(theirs)


def test_trials_read_back_are_those_that_were_written(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    study = make_study(storage=url, study_name=names(), constraints={"latency_ms": 30.0})
    trials = finished(study, predictions := predicted(study))
    study.store.write(*predictions)
    loaded = optuna.load_study(study_name=study.study_name, storage=url).trials
    for written, read in zip(trials, loaded, strict=True):
        assert read.params == written.params
        assert read.distributions == written.distributions
        assert read.values == pytest.approx(written.values, rel=1e-15)
        assert read.user_attrs == written.user_attrs
        assert read.constraints == pytest.approx(written.constraints, rel=1e-15)
        assert read.state == TrialState.COMPLETE


def test_numbers_are_gapless_beside_trials_of_optuna(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    study = make_study(storage=url, study_name=names())
    study.add_trial(batch(study)[0])
    study.search(30)
    study.ask()
    study.search(20)
    assert [t.number for t in study.trials] == list(range(52))


def test_two_writers_share_one_study(make_study: Make, url: str, names: Callable[[], str]) -> None:
    name = names()
    make_study(storage=url, study_name=name)

    def search(seed: int) -> None:
        make_study(storage=url, study_name=name, load_if_exists=True, seed=seed).search(200)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(search, (1, 2)))
    numbers = [t.number for t in optuna.load_study(study_name=name, storage=url).trials]
    assert numbers == list(range(400))


def test_another_process_sees_what_was_written(
    make_study: Make, url: str, names: Callable[[], str]
) -> None:
    name = names()
    first = make_study(storage=url, study_name=name)
    second = make_study(storage=url, study_name=name, load_if_exists=True, seed=9)
    first.search(50)
    assert len(second.results().numbers) == 50
    second.search(50)
    assert len(first.results().numbers) == 100


def test_a_generation_that_cannot_be_written_leaves_nothing(
    make_study: Make, url: str, names: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(storage=url, study_name=names())
    study.search(10)
    before = tables(study)
    insert = _write.Inserter.insert

    def fail(self: _write.Inserter, table: sa.Table, *rows: Any) -> None:
        if table.name == "trial_system_attributes":
            raise OSError("disk full")
        insert(self, table, *rows)

    monkeypatch.setattr(_write.Inserter, "insert", fail)
    with pytest.raises(StorageError, match="disk full"):
        study.search(10)
    assert tables(study) == before
    monkeypatch.undo()
    study.search(10)
    assert [t.number for t in study.trials] == list(range(20))


def test_tables_that_cannot_be_read(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=sqlite, study_name="a")
    study.search(10)
    with study.store.storage._backend.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE trials")
    with pytest.raises(StorageError, match="says: no such table: trials"):
        study.results()


def test_other_drivers_get_what_sqlalchemy_makes(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast, plain = (make_study(storage=sqlite, study_name=name) for name in "ab")
    trials = predicted(fast)
    fast.store.write(*trials)
    monkeypatch.setattr(_write, "_MARKS", {})
    plain.store.write(*trials)
    assert tables(plain) == tables(fast)


def test_an_unknown_schema_is_written_through_optuna(
    make_study: Make, sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = make_study(storage=sqlite, study_name="known")
    known.search(10)
    monkeypatch.setattr(_transactions, "KNOWN_SCHEMAS", ("v9",))
    with pytest.warns(UserWarning, match=r"schema v3.2.0.a is not known to optuna_ofa \(v9\)"):
        unknown = make_study(storage=sqlite, study_name="unknown")
    monkeypatch.setattr(_write.Inserter, "insert", None)  # calling it would fail
    unknown.search(10)
    monkeypatch.undo()
    assert [t.params for t in unknown.trials] == [t.params for t in known.trials]
    assert list(unknown.front()) == list(known.front())


def test_journal_storage(make_study: Make, tmp_path: Any) -> None:
    path = str(tmp_path / "journal.log")
    study = make_study(storage=JournalStorage(JournalFileBackend(path)), study_name="a")
    study.search(40)
    again = make_study(
        storage=JournalStorage(JournalFileBackend(path)), study_name="a", load_if_exists=True
    )
    assert list(again.front()) == list(study.front())
    again.search(20)
    assert len({t.user_attrs["subnet"].__repr__() for t in again.trials}) == 60


def test_a_storage_object_is_taken_as_it_is(make_study: Make, sqlite: str) -> None:
    study = make_study(storage=RDBStorage(sqlite), study_name="a")
    study.search(10)
    assert len(optuna.load_study(study_name="a", storage=sqlite).trials) == 10


@pytest.mark.parametrize("storage", [None, "journal"])
def test_other_storages_have_no_tables(
    make_study: Make, tmp_path: Any, storage: str | None
) -> None:
    backend = JournalStorage(JournalFileBackend(str(tmp_path / "log"))) if storage else None
    assert relational(make_study(storage=backend)._storage) is None

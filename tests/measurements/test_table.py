"""The table of measurements."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import InMemoryStorage

from optuna_ofa import AccuracyPredictor, SearchSpace, read_measurements
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError, StorageError
from optuna_ofa.measurements import MeasurementTable, Reading
from optuna_ofa.measurements._database import Database
from optuna_ofa.measurements._table import TABLE
from optuna_ofa.space import mobilenet_v3_small_images

SPACE = SearchSpace("ofa_mbv3_w1.0")
SUBNETS = SPACE.from_matrix(SPACE.sample(6, seed=0))
PHONE = {"device": "phone", "settings": {"threads": 1}}
DATABASES = {"postgresql": "OPTUNA_OFA_TEST_POSTGRESQL", "mysql": "OPTUNA_OFA_TEST_MYSQL"}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/a.db"


@pytest.fixture(params=["sqlite", *DATABASES])
def any_url(request: pytest.FixtureRequest, url: str) -> Iterator[str]:
    """A database of each kind; rows of this test are told apart by `setup_of`."""
    if request.param == "sqlite":
        yield url
        return
    address = os.environ.get(DATABASES[request.param])
    if address is None:
        pytest.skip(f"{DATABASES[request.param]} is not set")
    yield address


def reading(value: float | None, *, metric: str = "latency_ms", **fields: Any) -> Reading:
    return Reading(metric, value, 0.1, 20, {"clock": "cpu"}, **fields)


def test_what_is_added_is_read(any_url: str) -> None:
    setup = {**PHONE, "test": uuid4().hex}
    table = MeasurementTable(any_url, SPACE.family, setup)
    table.add(
        [
            (SUBNETS[0], reading(10.5)),
            (SUBNETS[1], reading(None, error="broke")),
            (SUBNETS[0], reading(70.0, metric="top1")),
        ]
    )
    again = MeasurementTable(any_url, SPACE.family, setup)
    found = again.read(SUBNETS)
    assert found == {SUBNETS[0]: [reading(10.5), reading(70.0, metric="top1")]}
    rows = read_measurements(any_url, SPACE, metric="latency_ms", setup={"test": setup["test"]})
    assert [(r.subnet, r.value, r.std, r.n) for r in rows] == [(SUBNETS[0], 10.5, 0.1, 20)]
    assert dict(rows[0].setup) == {**setup, "family": SPACE.family.fingerprint}
    assert rows[0].details == {"clock": "cpu"}
    assert rows[0].measured_at.endswith("+00:00")


def test_a_failure_is_not_known_and_is_replaced(any_url: str) -> None:
    setup = {**PHONE, "test": uuid4().hex}
    table = MeasurementTable(any_url, SPACE.family, setup)

    def rows() -> list[tuple[float | None, str | None]]:
        found = read_measurements(
            any_url, SPACE, metric="latency_ms", setup={"test": setup["test"]}, failed=True
        )
        return [(row.value, row.error) for row in found]

    table.add([(SUBNETS[0], reading(None, error="broke")), (SUBNETS[1], reading(3.0))])
    assert table.read(SUBNETS) == {SUBNETS[1]: [reading(3.0)]}
    table.add([(SUBNETS[0], reading(None, error="again"))])
    assert rows() == [(3.0, None), (None, "again")]
    table.add([(SUBNETS[0], reading(70.0, metric="top1"))])  # of another metric
    assert rows() == [(3.0, None), (None, "again")]
    table.add([(SUBNETS[0], reading(2.0)), (SUBNETS[1], reading(4.0))])
    assert rows() == [(3.0, None), (2.0, None), (4.0, None)]


def test_many_subnets_are_asked_for_in_chunks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_ofa.measurements import _table

    monkeypatch.setattr(_table, "_CHUNK", 2)
    table = MeasurementTable(url, SPACE.family, PHONE)
    table.add((subnet, reading(float(i))) for i, subnet in enumerate(SUBNETS))
    assert [rows[0].value for rows in table.read(SUBNETS[1:]).values()] == [1, 2, 3, 4, 5]
    assert table.read([]) == {}


def test_rows_of_other_setups_are_not_seen(url: str) -> None:
    MeasurementTable(url, SPACE.family, PHONE).add([(SUBNETS[0], reading(10.0))])
    other = MeasurementTable(url, SPACE.family, {**PHONE, "device": "server"})
    assert other.read(SUBNETS) == {}
    assert other.first("latency_ms") is None


def test_the_first_number_of_a_metric(url: str) -> None:
    table = MeasurementTable(url, SPACE.family, PHONE)
    assert table.first("latency_ms") is None
    table.add(
        [(SUBNETS[0], reading(None, error="broke")), (SUBNETS[1], reading(1.0, metric="top1"))]
    )
    table.add([(SUBNETS[2], reading(12.0)), (SUBNETS[0], reading(13.0))])
    assert table.first("latency_ms") == reading(12.0)


def test_it_lies_beside_the_studies(url: str) -> None:
    study = optuna.create_study(storage=url)
    MeasurementTable(study, SPACE.family, PHONE).add([(SUBNETS[0], reading(10.0))])
    assert len(read_measurements(study, SPACE, metric="latency_ms")) == 1
    assert len(read_measurements(url, "ofa_mbv3_w1.0", metric="latency_ms")) == 1
    assert len(optuna.get_all_study_names(url)) == 1


def test_another_process_may_create_each_table_meanwhile(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_all, create = sa.MetaData.create_all, sa.Table.create
    late: list[str] = []

    def all_late(metadata: sa.MetaData, engine: Any, **arguments: Any) -> None:
        if TABLE.name not in metadata.tables or late:
            return create_all(metadata, engine, **arguments)
        late.append("first")
        create(metadata.sorted_tables[0], engine)  # looked, did not find it, and then it was there
        return create_all(metadata, engine, checkfirst=False)

    def one_late(table: sa.Table, engine: Any, **arguments: Any) -> None:
        if table.metadata is not TABLE.metadata:  # Optuna's
            return create(table, engine, **arguments)
        late.append(table.name)
        create(table, engine, checkfirst=True)
        return create(table, engine, checkfirst=False)

    monkeypatch.setattr(sa.MetaData, "create_all", all_late)
    monkeypatch.setattr(sa.Table, "create", one_late)
    MeasurementTable(url, SPACE.family, PHONE).add([(SUBNETS[0], reading(10.0))])
    assert TABLE.name in late


def test_nothing_is_written_where_one_row_cannot_be(url: str) -> None:
    table = MeasurementTable(url, SPACE.family, PHONE)
    bad = Reading("latency_ms", 1.0, None, None, {})  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="NOT NULL"):
        table.add([(SUBNETS[0], reading(10.0)), (SUBNETS[1], bad)])
    assert table.read(SUBNETS) == {}


class TestMeasurements:
    def test_chooses_a_metric_and_what_the_space_has(self, url: str) -> None:
        table = MeasurementTable(url, SPACE.family, PHONE)
        table.add((subnet, reading(1.0, metric=m)) for subnet in SUBNETS for m in ("top1", "top5"))
        other = SearchSpace("ofa_mbv3_w1.2")
        table = MeasurementTable(url, other.family, PHONE)
        table.add([(other.largest(), reading(2.0, metric="top1"))])
        resolution = SUBNETS[0].resolution
        part = SPACE.restrict(resolution=resolution)
        rows = read_measurements(url, part, metric="top1")
        assert [r.subnet for r in rows] == [s for s in SUBNETS if s.resolution == resolution]
        assert {r.metric for r in rows} == {"top1"}

    def test_failures_are_there_when_asked_for(self, url: str) -> None:
        MeasurementTable(url, SPACE.family, PHONE).add([(SUBNETS[0], reading(None, error="broke"))])
        assert read_measurements(url, SPACE, metric="latency_ms") == []
        (failed,) = read_measurements(url, SPACE, metric="latency_ms", failed=True)
        assert failed.error == "broke"
        assert failed.value is None

    def test_setups_are_not_mixed(self, url: str) -> None:
        for threads in (1, 2):
            setup = {"device": "phone", "settings": {"threads": threads}}
            MeasurementTable(url, SPACE.family, setup).add([(SUBNETS[0], reading(10.0 / threads))])
        with pytest.raises(InvalidArgumentError, match=r"must choose one of the 2 .*threads"):
            read_measurements(url, SPACE, metric="latency_ms")
        chosen = {"settings": {"threads": 2}}
        (found,) = read_measurements(url, SPACE, metric="latency_ms", setup=chosen)
        assert found.value == 5.0
        assert read_measurements(url, SPACE, metric="latency_ms", setup={"device": "tv"}) == []

    def test_an_empty_database_has_none(self, url: str) -> None:
        assert read_measurements(url, SPACE, metric="top1") == []

    def test_a_storage_that_is_no_database_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`storage` must be a relational database"):
            read_measurements(InMemoryStorage(), SPACE, metric="top1")

    def test_a_file_that_is_no_database_is_an_error_of_ours(self, tmp_path: Path) -> None:
        (tmp_path / "a.db").write_text("this is no database" * 100)
        with pytest.raises(StorageError, match="not a database"):
            read_measurements(f"sqlite:///{tmp_path}/a.db", SPACE, metric="top1")


def test_reading_selects_in_the_database(url: str) -> None:
    MeasurementTable(url, SPACE.family, PHONE).add((subnet, reading(1.0)) for subnet in SUBNETS)
    with Database(url)._engine.begin() as connection:
        plan = connection.exec_driver_sql(
            f"EXPLAIN QUERY PLAN SELECT value FROM {TABLE.name} "
            "WHERE setup_id = 'a' AND subnet_id IN ('b', 'c')"
        ).all()
    assert "USING INDEX ix_ofa_measured_setup" in str(plan)


class TestFamiliesOfOnesOwn:
    def test_the_database_knows_the_table(self, url: str) -> None:
        own = SearchSpace(mobilenet_v3_small_images("mine"))
        MeasurementTable(url, own.family, PHONE).add([(own.smallest(), reading(10.0))])
        (found,) = read_measurements(url, "mine", metric="latency_ms")
        assert found.subnet == own.smallest()

    def test_another_table_of_that_name_has_readings_of_its_own(self, url: str) -> None:
        families = [mobilenet_v3_small_images("mine", width=width) for width in (0.25, 2.0)]
        for family, value in zip(families, (2.5, 3.65), strict=True):
            table = MeasurementTable(url, family, PHONE)
            assert table.read([SearchSpace(family).largest()]) == {}
            assert table.first("latency_ms") is None
            table.add([(SearchSpace(family).largest(), reading(value))])
        for family, value in zip(families, (2.5, 3.65), strict=True):
            (found,) = read_measurements(url, family, metric="latency_ms")
            assert found.value == value

    def test_what_was_measured_with_another_table_is_refused(self, url: str) -> None:
        first, second = (mobilenet_v3_small_images("mine", n_classes=n) for n in (10, 5))
        MeasurementTable(url, first, PHONE).add([(SearchSpace(first).largest(), reading(1.0))])
        with pytest.raises(FamilyMismatchError, match="of the head: 10 in the database, 5 in the"):
            read_measurements(url, second, metric="latency_ms")

    def test_a_name_of_two_tables_is_refused(self, url: str) -> None:
        for n in (10, 5):
            MeasurementTable(url, mobilenet_v3_small_images("mine", n_classes=n), PHONE)
        with pytest.raises(FamilyMismatchError, match=r"has 2 of the name 'mine': n_classes"):
            read_measurements(url, "mine", metric="latency_ms")


class TestDamage:
    """Rows that another program wrote, and tables that are gone."""

    CELLS = (
        "value = 'abc'",
        "value = x'ff'",
        "value = 9e999",
        "value = -1",
        "std = 'a'",
        "std = -1",
        "n = 'x'",
        "details = '[1]'",
        "details = 'a'",
        "subnet = '{}'",
        "subnet = '\"a\"'",
        "error = x'00'",
    )

    @pytest.mark.parametrize("cell", CELLS)
    def test_of_a_row_leaves_the_others(self, url: str, cell: str) -> None:
        table = MeasurementTable(url, SPACE.family, PHONE)
        table.add([(subnet, reading(5.0)) for subnet in SUBNETS])
        with Database(url)._engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE ofa_measured SET {cell} WHERE id = 2")
        with pytest.warns(UserWarning, match="Passed over 1 row of measurements .* row 2: "):
            rows = read_measurements(url, SPACE, metric="latency_ms")
        assert [row.subnet for row in rows] == [SUBNETS[0], *SUBNETS[2:]]
        known = table.read(SUBNETS)
        assert len(known) == (6 if cell.startswith("subnet") else 5)
        assert table.first("latency_ms") == reading(5.0)

    @pytest.mark.parametrize("setup", ["abc", "[]", "null", '{"family": [1]}'])
    def test_of_a_setup_leaves_the_others(self, url: str, setup: str) -> None:
        for device in ("phone", "other"):
            table = MeasurementTable(url, SPACE.family, {"device": device})
            table.add([(subnet, reading(5.0)) for subnet in SUBNETS])
        query = "UPDATE ofa_measured SET setup = ? WHERE setup LIKE '%other%'"
        with Database(url)._engine.begin() as connection:
            connection.exec_driver_sql(query, (setup,))
        assert len(read_measurements(url, SPACE, metric="latency_ms")) == 6

    @pytest.mark.parametrize("table", ["ofa_measured", "ofa_families"])
    def test_of_a_table_is_an_error_of_ours(self, url: str, table: str) -> None:
        measured = MeasurementTable(url, SPACE.family, PHONE)
        with Database(url)._engine.begin() as connection:
            connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql(f"CREATE TABLE {table} (a)")
        with pytest.raises(StorageError, match="`storage` must be a database that can be reached"):
            read_measurements(url, "ofa_mbv3_w1.0", metric="latency_ms")
        if table == "ofa_measured":
            with pytest.raises(StorageError, match="no such column"):
                measured.read(SUBNETS)

    def test_of_a_family_is_an_error_of_ours(self, url: str) -> None:
        MeasurementTable(url, SPACE.family, PHONE)
        with Database(url)._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE ofa_families SET content = 'abc'")
        with pytest.raises(StorageError, match="`storage` must be a database that has the study"):
            read_measurements(url, "ofa_mbv3_w1.0", metric="latency_ms")


class TestGroups:
    """Labels of rows by who measured what."""

    def fill(self, url: str) -> None:
        for images in ("a", "b"):
            table = MeasurementTable(url, SPACE.family, {"data": {"images": images}})
            for worker in ("ada", "bob"):
                table.add(
                    (subnet, Reading("top1", 70.0 + i, 0.1, 500, {"worker": worker}))
                    for i, subnet in enumerate(SUBNETS)
                )

    def test_rows_of_several_setups_are_told_apart(self, url: str) -> None:
        self.fill(url)
        with pytest.raises(InvalidArgumentError, match=r"`setup` must choose .* mixed=True"):
            read_measurements(url, SPACE, metric="top1")
        rows = read_measurements(url, SPACE, metric="top1", mixed=True)
        assert [r.subnet for r in rows] == SUBNETS * 4
        groups = [r.group for r in rows]
        assert len(set(groups)) == 4
        assert all(len(set(groups[i : i + 6])) == 1 for i in range(0, 24, 6))
        assert groups[0].startswith("ada, 500 images, ")
        assert [r.setup["data"]["images"] for r in rows[::12]] == ["a", "b"]

    def test_entries_still_choose(self, url: str) -> None:
        self.fill(url)
        chosen = {"data": {"images": "b"}}
        rows = read_measurements(url, SPACE, metric="top1", setup=chosen, mixed=True)
        assert {r.group.split(",")[0] for r in rows} == {"ada", "bob"}
        assert {r.setup["data"]["images"] for r in rows} == {"b"}
        assert read_measurements(url, SPACE, metric="top1", setup={"x": 1}, mixed=True) == []

    def test_number_and_label_of_images_are_in_it_but_rounds_are_not(self, url: str) -> None:
        table = MeasurementTable(url, SPACE.family, PHONE)
        table.add([(SUBNETS[0], Reading("top1", 70.0, 0.1, 500, {"data": "part 1"}))])
        table.add([(SUBNETS[0], Reading("top1", 71.0, 0.1, 900, {}))])
        first, second = read_measurements(url, SPACE, metric="top1")
        assert first.group.startswith("part 1, 500 images, ")
        assert second.group.startswith("900 images, ")
        table.add((subnet, reading(1.0)._replace(n=n)) for n, subnet in enumerate(SUBNETS[:2], 5))
        rows = read_measurements(url, SPACE, metric="latency_ms")
        assert len({row.group for row in rows}) == 1

    def test_offsets_of_workers_are_found(self, url: str) -> None:
        subnets = SPACE.from_matrix(SPACE.sample(300, seed=0))
        rng = np.random.default_rng(0)
        truth = 60 + 0.02 * SPACE.to_matrix(subnets).sum(axis=1) + rng.normal(0, 0.05, 300)
        table = MeasurementTable(url, SPACE.family, PHONE)
        for i, (worker, offset) in enumerate([("ada", 0.3), ("bob", -0.3)]):
            table.add(
                (
                    subnets[j],
                    Reading("top1", float(truth[j] + offset), 0.1, 500, {"worker": worker}),
                )
                for j in range(i, 300, 2)
            )
        rows = read_measurements(url, SPACE, metric="top1", mixed=True)
        predictor = AccuracyPredictor.fit(
            SPACE,
            [r.subnet for r in rows],
            [r.value for r in rows],
            group=[r.group for r in rows],
            model="ridge",
        )
        (ada, first), (bob, second) = sorted(predictor.metadata["groups"].items())
        assert (ada.split(",")[0], bob.split(",")[0]) == ("ada", "bob")
        assert first["offset"] == pytest.approx(0.3, abs=0.03)
        assert second["offset"] == pytest.approx(-0.3, abs=0.03)

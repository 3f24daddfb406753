"""Several callers of one database, who share the work of an evaluation."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import sqlalchemy as sa
from optuna.storages import InMemoryStorage
from torch.utils.data import DataLoader

from optuna_ofa import EvaluationSettings, SearchSpace, Subnet, Supernet, evaluate
from optuna_ofa.evaluation import Accuracies
from optuna_ofa.exceptions import InvalidArgumentError, StorageError
from optuna_ofa.measurements import Claims, MeasurementTable, Reading
from optuna_ofa.measurements._claims import CLAIMS
from optuna_ofa.measurements._database import Database
from optuna_ofa.measurements._partial import PARTIAL
from optuna_ofa.measurements._table import TABLE

N = 40
# begins when all have started, and notes which subnets it extracts
CALLER = """
import os, time
from pathlib import Path
import numpy as np
import torch
from optuna_ofa import EvaluationSettings, Supernet, evaluate
from optuna_ofa.measurements import _claims

torch.set_num_threads(1)
_claims.LEASE_S = lease_s
extract, n = Supernet.extract, 0

def noted(self, subnet, *args, **options):
    global n
    n += 1
    if n == killed_at:
        os.kill(os.getpid(), 9)
    with open(folder / "extracted.txt", "a") as file:
        file.write(str(subnet) + "\\n")
    if str(subnet) == bad:
        raise ValueError("a bad one")
    time.sleep(pause_s)
    return extract(self, subnet, *args, **options)

Supernet.extract = noted
(folder / f"{name}.there").touch()
while len(list(folder.glob("*.there"))) < n_callers:
    time.sleep(0.01)
settings = EvaluationSettings(calibration=calibration, worker=name, rungs=(60, 120))
found = evaluate(supernet, matrix, loader, settings, storage=url, again=again, costs=costs)
np.save(folder / f"{name}.npy", found.top1)
(folder / f"{name}.txt").write_text(str(sorted(found.failures.items())))
"""


class Work:
    """An evaluation, for callers in processes of their own."""

    def __init__(
        self, url: str, folder: Path, supernet: Supernet, matrix: Any, val: DataLoader, train: Any
    ) -> None:
        self.matrix, self._folder = matrix, folder
        self._label = uuid4().hex
        # images of this test only, where others write to the same server
        val.dataset.tensors[0][0] += int(self._label[:6], 16) / 2**24
        self.names: dict[str, Any] = {"url": url, "folder": folder, "supernet": supernet}
        self.names |= {"matrix": matrix, "loader": val, "calibration": train, "costs": None}
        self.names |= {"lease_s": 30.0, "pause_s": 0.0, "again": False, "killed_at": 0, "bad": ""}

    def serial(self, **options: Any) -> Accuracies:
        names = self.names
        settings = EvaluationSettings(calibration=names["calibration"], rungs=(60, 120))
        return evaluate(names["supernet"], self.matrix, names["loader"], settings, **options)

    def extracted(self) -> Counter[str]:
        return Counter((self._folder / "extracted.txt").read_text().splitlines())

    def top1(self, name: str) -> Any:
        return np.load(self._folder / f"{name}.npy")

    def failures(self, name: str) -> str:
        return (self._folder / f"{name}.txt").read_text()

    def rows(self, table: sa.Table, setup: Any) -> list[Any]:
        """The rows of the evaluation's setup."""
        own = Claims(self.names["url"], self.names["supernet"].family, setup)
        with Database(self.names["url"])._engine.begin() as connection:
            query = sa.select(table).where(table.c.setup_id == own._setup_id)
            return list(connection.execute(query))


@pytest.fixture
def make(
    tmp_path: Path, supernet: Supernet, space: SearchSpace, make_loader: Callable[..., DataLoader]
) -> Callable[..., Work]:
    def make(url: str, n: int = N) -> Work:
        train = make_loader(64, seed=6).dataset.tensors[0]
        matrix = space.sample(n, seed=1)
        return Work(url, tmp_path, supernet, matrix, make_loader(200, seed=5), train)

    return make


@pytest.fixture
def work(url: str, make: Callable[..., Work]) -> Work:
    """In a database of each kind."""
    return make(url)


@pytest.fixture
def on_sqlite(sqlite: str, make: Callable[..., Work]) -> Work:
    return make(sqlite, 20)


def workers(rows: list[Any]) -> Counter[str]:
    return Counter(json.loads(row.details)["worker"] for row in rows if row.metric == "top1")


def test_two_callers_evaluate_each_subnet_once(work: Work, processes: Any) -> None:
    names = {**work.names, "n_callers": 2, "pause_s": 0.03}
    processes.finish(*(processes.start(CALLER, name=name, **names) for name in "ab"))
    serial = work.serial()
    n = len(np.unique(work.matrix, axis=0))
    assert len(work.extracted()) == work.extracted().total() == n
    rows = work.rows(TABLE, work.serial(storage=work.names["url"]).setup)
    assert max(Counter((row.subnet_id, row.metric) for row in rows).values()) == 1
    assert len(rows) == 2 * n
    assert min(workers(rows)[name] for name in "ab") > 4
    for name in "ab":
        np.testing.assert_array_equal(work.top1(name), serial.top1)
    assert work.rows(CLAIMS, work.serial(storage=work.names["url"]).setup) == []


def test_what_a_killed_caller_was_at_is_done_by_the_other(work: Work, processes: Any) -> None:
    names = {**work.names, "n_callers": 2, "lease_s": 3.0, "pause_s": 0.02}
    first = processes.start(CALLER, name="a", **{**names, "killed_at": 12})
    processes.finish(processes.start(CALLER, name="b", **names))
    first.join()
    assert first.exitcode == -9
    serial = work.serial()
    np.testing.assert_array_equal(work.top1("b"), serial.top1)
    rows = work.rows(TABLE, work.serial(storage=work.names["url"]).setup)
    assert max(Counter((row.subnet_id, row.metric) for row in rows).values()) == 1
    n = len(np.unique(work.matrix, axis=0))
    assert len(rows) == 2 * n
    assert n < work.extracted().total() <= n + 8  # a group of the killed one


def test_a_failure_that_one_caller_found_is_not_tried_by_the_other(
    on_sqlite: Work, processes: Any, space: SearchSpace
) -> None:
    work = on_sqlite
    bad = space.from_matrix(work.matrix)[3]
    names = {**work.names, "n_callers": 2, "pause_s": 0.03, "bad": str(bad)}
    processes.finish(*(processes.start(CALLER, name=name, **names) for name in "ab"))
    assert work.extracted()[str(bad)] == 1
    for name in "ab":
        assert work.failures(name) == "[(3, 'ValueError: a bad one')]"
        assert np.isnan(work.top1(name)).nonzero()[0].tolist() == [3]


def test_callers_race_together(on_sqlite: Work, processes: Any) -> None:
    work = on_sqlite
    costs = work.matrix.sum(axis=1).astype(float)
    names = {**work.names, "n_callers": 2, "pause_s": 0.01, "costs": costs}
    processes.finish(*(processes.start(CALLER, name=name, **names) for name in "ab"))
    serial = work.serial(costs=costs)
    for name in "ab":
        np.testing.assert_array_equal(work.top1(name), serial.top1)
    assert 0 < len(serial.partial) < len(work.matrix)
    for table in (PARTIAL, TABLE):
        rows = work.rows(table, {**serial.setup})
        keys = Counter((row.subnet_id, getattr(row, "metric", "")) for row in rows)
        assert keys
        assert max(keys.values()) == 1
    assert work.rows(CLAIMS, serial.setup) == []


def test_again_evaluates_all_whatever_others_do(on_sqlite: Work, space: SearchSpace) -> None:
    work = on_sqlite
    url = work.names["url"]
    setup = work.serial(storage=url).setup
    subnets = list(dict.fromkeys(space.from_matrix(work.matrix)))
    with Claims(url, work.names["supernet"].family, setup) as others:
        others.take(subnets)
        work.serial(storage=url, again=True)
    rows = work.rows(TABLE, setup)
    assert set(Counter((row.subnet_id, row.metric) for row in rows).values()) == {2}


def test_the_accuracy_of_whoever_took_a_subnet_over_counts(
    on_sqlite: Work, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = on_sqlite
    url, family = work.names["url"], work.names["supernet"].family
    setup = work.serial(storage=url).setup
    with Database(url)._engine.begin() as connection:
        connection.execute(sa.delete(TABLE))
    extract, taken = Supernet.extract, []

    def extract_after_long(self: Supernet, subnet: Subnet, **options: Any) -> Any:
        if not taken:  # another caller takes all claims over, and writes one accuracy
            taken.append(subnet)
            with Database(url)._engine.begin() as connection:
                connection.execute(sa.update(CLAIMS).values(holder="other"))
            readings = [(subnet, Reading(m, 12.5, 1.0, 200, {})) for m in ("top1", "top5")]
            MeasurementTable(url, family, setup).add(readings)
            with Database(url)._engine.begin() as connection:
                connection.execute(sa.delete(CLAIMS))
        return extract(self, subnet, **options)

    monkeypatch.setattr(Supernet, "extract", extract_after_long)
    found = work.serial(storage=url)
    theirs = [subnet in taken for subnet in space.from_matrix(work.matrix)]
    assert set(found.top1[theirs]) == {12.5}
    np.testing.assert_array_equal(
        found.top1[~np.array(theirs)], work.serial().top1[~np.array(theirs)]
    )
    rows = work.rows(TABLE, setup)
    assert set(Counter((row.subnet_id, row.metric) for row in rows).values()) == {1}
    assert len(rows) == 2 * len(np.unique(work.matrix, axis=0))


def test_a_database_that_cannot_be_used_is_refused_before_images_are_read(
    on_sqlite: Work, tmp_path: Path
) -> None:
    class Images:
        def __iter__(self) -> Any:
            raise AssertionError("read")

    on_sqlite.names["loader"] = Images()
    for storage, error in (
        (InMemoryStorage(), InvalidArgumentError),
        (f"sqlite:///{tmp_path}/missing/x.db", InvalidArgumentError),
        (f"sqlite:///{tmp_path}/text.db", StorageError),
    ):
        (tmp_path / "text.db").write_text("no database" * 100)
        with pytest.raises(error, match="`storage` must be"):
            on_sqlite.serial(storage=storage)

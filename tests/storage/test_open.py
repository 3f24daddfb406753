"""Databases that Optuna cannot use, and what is said of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import optuna_ofa
from optuna_ofa.commands import main
from optuna_ofa.exceptions import StorageError
from optuna_ofa.measurements import MeasurementTable, read_measurements
from optuna_ofa.storage import open_storage


@pytest.fixture
def _optuna_is_quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(verbosity)


pytestmark = pytest.mark.usefixtures("_optuna_is_quiet")


def execute(path: Path, *statements: str) -> str:
    database = sqlite3.connect(path)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return f"sqlite:///{path}"


def database_of(path: Path, schema: str) -> str:
    """A database whose tables are marked as those of another version of Optuna."""
    optuna.create_study(storage=f"sqlite:///{path}", study_name="old")
    return execute(path, f"update alembic_version set version_num = '{schema}'")


OLDER = r"`storage` must be upgraded \(optuna storage upgrade --storage 'sqlite:.*a\.db'\)"
SPACE = optuna_ofa.SearchSpace("ofa_mbv3_w1.0", resolution=224)
DOORS: dict[str, Callable[[str], Any]] = {
    "storage": open_storage,
    "study": lambda url: optuna_ofa.study(SPACE, storage=url, study_name="new"),
    "fleet": lambda url: optuna_ofa.fleet(
        SPACE, hardware=["cpu-torch"], storage=url, study_name="f"
    ),
    "table": lambda url: MeasurementTable(url, SPACE.family, {}),
    "read": lambda url: read_measurements(url, SPACE, metric="top1"),
}


@pytest.mark.parametrize("door", DOORS)
def test_tables_of_an_older_optuna_are_to_be_upgraded(tmp_path: Path, door: str) -> None:
    url = database_of(tmp_path / "a.db", "v3.0.0.d")
    with pytest.raises(StorageError, match=OLDER):
        DOORS[door](url)


@pytest.mark.parametrize(
    "command", [["front"], ["report", "page.html"], ["search", "--supernet", "ofa_mbv3_w1.0"]]
)
def test_a_command_says_so_too(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url = database_of(tmp_path / "a.db", "v3.0.0.d")
    assert main([command[0], "--storage", url, "--study", "old", *command[1:]]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: --storage sqlite:")
    assert "must be upgraded (optuna storage upgrade" in error


def test_tables_of_a_newer_optuna_need_it(tmp_path: Path) -> None:
    url = database_of(tmp_path / "a.db", "v9.0.0.a")
    with pytest.raises(StorageError, match=r"of a newer version, .* \(pip install -U optuna\)"):
        open_storage(url)


def test_another_applications_tables_are_refused(tmp_path: Path) -> None:
    url = execute(tmp_path / "a.db", "create table studies (id integer primary key, title text)")
    with pytest.raises(StorageError, match=r"database of Optuna or a new one, .* studies"):
        open_storage(url)


def test_another_applications_revision_is_not_ours(tmp_path: Path) -> None:
    url = execute(
        tmp_path / "a.db",
        "create table alembic_version (version_num varchar(32) not null)",
        "insert into alembic_version values ('0584bdc529eb')",
    )
    with pytest.raises(StorageError, match="or of another application that uses Alembic"):
        open_storage(url)


@pytest.mark.parametrize(
    "entry", [b"garbage\n{}\n", b"\xff\xfe\n{}\n", b"[1]\n{}\n", b'{"op_code": 99}\n']
)
def test_a_journal_that_cannot_be_read_is_refused(tmp_path: Path, entry: bytes) -> None:
    path = tmp_path / "journal.log"
    storage = JournalStorage(JournalFileBackend(str(path)))
    path.write_bytes(path.read_bytes() + entry)
    with pytest.raises(StorageError, match="`storage` must be a journal that Optuna can read"):
        optuna_ofa.study(SPACE, storage=storage)

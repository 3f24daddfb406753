"""Storages that are wrong, unreachable, read-only or full."""

from __future__ import annotations

import re
import socket
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy as sa
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_ofa import SubnetStudy
from optuna_ofa.exceptions import InvalidArgumentError, MissingDependencyError, StorageError
from optuna_ofa.storage import open_storage

Make = Callable[..., SubnetStudy]


class TestUrls:
    @pytest.mark.parametrize(
        ("storage", "shown"),
        [
            ("", ""),
            ("journal.log", "journal.log"),
            ("foo://a/b", "***"),
            ("redis://a", "redis://a"),
            ("mysql+no://a", "mysql://***"),
        ],
    )
    def test_what_is_no_url_of_a_database_is_refused(self, storage: str, shown: str) -> None:
        expected = r"`storage` must be a URL such as 'sqlite:///runs.*but got " + re.escape(
            repr(shown)
        )
        with pytest.raises(InvalidArgumentError, match=expected):
            open_storage(storage)

    @pytest.mark.parametrize("storage", [3, Path("a.db"), ["sqlite:///a.db"]], ids=str)
    def test_what_is_no_text_is_refused(self, make_study: Make, storage: Any) -> None:
        with pytest.raises(
            InvalidArgumentError, match=r"`storage` must be a URL .*, an Optuna storage"
        ):
            make_study(storage=storage)

    def test_a_wrong_port_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`storage` must be a URL such as"):
            open_storage("postgresql+psycopg://user@host:port/database")

    @pytest.mark.parametrize(
        ("driver", "module", "package"),
        [
            ("mysql+pymysql", "pymysql", r"optuna-ofa\[mysql\]"),
            ("postgresql+psycopg", "psycopg", r"optuna-ofa\[postgresql\]"),
            ("mysql+mysqldb", "MySQLdb", "mysqlclient"),
        ],
    )
    def test_a_missing_driver_is_named_with_its_package(
        self, monkeypatch: pytest.MonkeyPatch, driver: str, module: str, package: str
    ) -> None:
        monkeypatch.setitem(sys.modules, module, None)
        expected = rf"needs `{module}`, .* pip install \"{package}\""
        with pytest.raises(MissingDependencyError, match=expected):
            open_storage(f"{driver}://user@host/database")

    def test_a_password_is_not_shown(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"but got '\*\*\*'") as info:
            open_storage("nosuch://me:secret@word@host/a")
        assert "secret" not in str(info.value)
        assert "word" not in str(info.value)

    @pytest.mark.parametrize("storage", [None, "sqlite://", "sqlite:///", "sqlite:///:memory:"])
    def test_studies_may_be_in_memory(self, make_study: Make, storage: str | None) -> None:
        study = make_study(storage=storage)
        study.search(3)
        assert len(study.trials) == 3

    def test_a_storage_is_used_itself_and_wrapped_once(self) -> None:
        given = InMemoryStorage()
        storage = open_storage(given)
        assert isinstance(storage, InMemoryStorage)
        study_id = storage.create_new_study([StudyDirection.MINIMIZE], "a")
        assert given.get_study_id_from_name("a") == study_id
        assert open_storage(storage) is storage


class TestNames:
    @pytest.mark.parametrize("name", ["", 3, b"a"], ids=repr)
    def test_must_be_a_text(self, make_study: Make, sqlite: str, name: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="`study_name` must be a non-empty string"):
            make_study(storage=sqlite, study_name=name)


class TestServers:
    @pytest.fixture
    def closed_port(self) -> int:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            return int(server.getsockname()[1])

    @pytest.mark.parametrize("driver", ["postgresql+psycopg", "mysql+pymysql"])
    def test_that_cannot_be_reached(self, make_study: Make, closed_port: int, driver: str) -> None:
        url = f"{driver}://me:secret@127.0.0.1:{closed_port}/optuna"
        with pytest.raises(StorageError, match=r"can be reached .*//\*\*\*@127.*refused"):
            make_study(storage=url)

    def test_without_that_database(self, url: str, make_study: Make) -> None:
        if url.startswith("sqlite"):
            pytest.skip("SQLite makes its databases itself")
        wrong = sa.make_url(url).set(database="no_such_database")
        with pytest.raises(StorageError, match="no_such_database"):
            make_study(storage=wrong.render_as_string(hide_password=False))


class TestFiles:
    def test_in_a_folder_that_does_not_exist(self, make_study: Make, tmp_path: Path) -> None:
        expected = rf"in a folder that exists, but that of 'sqlite:///{tmp_path}/no/a.db' does not"
        with pytest.raises(InvalidArgumentError, match=expected):
            make_study(storage=f"sqlite:///{tmp_path}/no/a.db")
        assert list(tmp_path.iterdir()) == []

    def test_that_is_a_folder(self, make_study: Make, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match=r"must be a file, but .* is a folder"):
            make_study(storage=f"sqlite:///{tmp_path}")

    def test_that_is_no_database(self, make_study: Make, tmp_path: Path) -> None:
        path = tmp_path / "a.db"
        path.write_text("not a database " * 100)
        with pytest.raises(StorageError, match="says: file is not a database"):
            make_study(storage=f"sqlite:///{path}")
        assert path.read_text() == "not a database " * 100


class TestReadOnly:
    @pytest.fixture
    def read_only(self, make_study: Make, tmp_path: Path) -> str:
        """Address of a file with a study of 20 trials that may only be read, by root too."""
        path = tmp_path / "a.db"
        make_study(storage=f"sqlite:///{path}", study_name="a").search(20)
        return f"sqlite:///file:{path}?mode=ro&uri=true"

    def test_no_study_is_made(self, make_study: Make, read_only: str) -> None:
        with pytest.raises(StorageError, match=r"`storage` must be .* attempt to write a readonly"):
            make_study(storage=read_only, study_name="b")
        assert optuna.get_all_study_names(read_only) == ["a"]

    def test_no_file_is_made(self, make_study: Make, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="says: unable to open database file"):
            make_study(storage=f"sqlite:///file:{tmp_path}/b.db?mode=ro&uri=true")
        assert list(tmp_path.iterdir()) == []

    def test_a_study_is_read_but_not_searched(self, make_study: Make, read_only: str) -> None:
        study = make_study(storage=read_only, study_name="a", load_if_exists=True)
        assert len(study.front()) > 0
        with pytest.raises(StorageError, match=r"5 trials were not written .* readonly"):
            study.search(5)
        with pytest.raises(StorageError, match=r"2 trials were not written .* readonly"):
            study.ask_batch(2)
        assert len(optuna.load_study(study_name="a", storage=read_only).trials) == 20

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc")
    def test_a_folder(self, make_study: Make) -> None:
        with pytest.raises(StorageError, match="says: unable to open database file"):
            make_study(storage="sqlite:////proc/a.db")  # even root cannot write there


class TestFullDisk:
    N_PAGES = 1000  # of 4 KiB

    @pytest.fixture
    def full_soon(self, sqlite: str) -> RDBStorage:
        """A file that cannot grow beyond a few hundred trials."""
        storage = RDBStorage(sqlite)

        @sa.event.listens_for(storage.engine, "connect")
        def _limit(connection: sqlite3.Connection, _: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {self.N_PAGES}")

        storage.engine.dispose()
        return storage

    def test_a_generation_is_written_as_a_whole_or_not_at_all(
        self, make_study: Make, full_soon: RDBStorage, sqlite: str
    ) -> None:
        study = make_study(storage=full_soon, study_name="a")
        with pytest.raises(
            StorageError, match=r"\d trials were not written .* disk is full"
        ) as said:
            study.search(10_000)
        trials = optuna.load_study(study_name="a", storage=sqlite).trials
        n_lost = int(str(said.value).split()[0])
        ends: list[int] = []  # of the generations of the same search elsewhere
        make_study().search(
            len(trials) + n_lost, callbacks=[lambda of, _: ends.append(len(of.trials))]
        )
        assert len(trials) > 500
        assert [*dict.fromkeys(ends)][-2:] == [len(trials), len(trials) + n_lost]
        assert {t.state for t in trials} == {TrialState.COMPLETE}
        assert {len(t.params) for t in trials} == {len(study.space.genes)}
        assert len(study.front()) > 0

    def test_a_search_goes_on_when_there_is_room_again(
        self, make_study: Make, full_soon: RDBStorage, sqlite: str
    ) -> None:
        study = make_study(storage=full_soon, study_name="a")
        with pytest.raises(StorageError, match="disk is full"):
            study.search(10_000)
        n = len(study.trials)
        again = make_study(storage=sqlite, study_name="a", load_if_exists=True)
        again.search(200)
        assert [t.number for t in again.trials] == list(range(n + 200))

    def test_a_batch_is_asked_for_as_a_whole_or_not_at_all(
        self, make_study: Make, full_soon: RDBStorage
    ) -> None:
        study = make_study(storage=full_soon, study_name="a")
        with pytest.raises(StorageError, match=r"3000 trials were not written .* disk is full"):
            study.ask_batch(3000)
        assert study.trials == []

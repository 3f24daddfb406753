"""Trials in a journal: as Optuna itself would have written them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa import SubnetStudy
from optuna_ofa.storage import _public_store
from optuna_ofa.storage._journal import mend, mended
from optuna_ofa.storage._public_store import append_trials
from optuna_ofa.storage._rows import finished_trials

Make = Callable[..., SubnetStudy]


class Snapshots(JournalFileBackend, BaseJournalSnapshot):
    """A backend that is given snapshots, as that of Redis."""

    def save_snapshot(self, snapshot: bytes) -> None: ...
    def load_snapshot(self) -> bytes | None:
        return None


@pytest.fixture
def trials(make_study: Make) -> list[FrozenTrial]:
    study = make_study(constraints={"latency_ms": 30.0})
    matrix = study.space.sample(5, seed=1)
    moments = datetime.datetime(2026, 7, 1, 12, 0, 0, 5), datetime.datetime(2026, 7, 1, 12, 0, 1)
    return finished_trials(study.problem, study.problem.evaluate(matrix), [{}] * 5, moments)


def journal(path: Path, backend: type[JournalFileBackend] = JournalFileBackend) -> optuna.Study:
    storage = JournalStorage(backend(str(path)))
    return optuna.create_study(storage=storage, study_name="a", directions=["maximize", "minimize"])


def entries(path: Path) -> list[dict[str, Any]]:
    """What stands in a journal, but for who wrote it."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: entry[key] for key in entry if key != "worker_id"} for entry in found]


def test_entries_are_those_that_optuna_writes(tmp_path: Path, trials: list[FrozenTrial]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    study = journal(ours)
    assert append_trials(study._storage, study._study_id, trials)
    journal(theirs).add_trials(trials)
    assert entries(ours) == entries(theirs)
    assert [t.number for t in study.trials] == list(range(5))


def test_they_are_written_at_once(
    tmp_path: Path, trials: list[FrozenTrial], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, sizes = journal(tmp_path / "log"), list[int]()
    append = JournalFileBackend.append_logs

    def count(self: JournalFileBackend, logs: list[dict[str, Any]]) -> None:
        sizes.append(len(logs))
        append(self, logs)

    monkeypatch.setattr(JournalFileBackend, "append_logs", count)
    assert append_trials(study._storage, study._study_id, trials)
    assert sizes == [5]


@pytest.mark.parametrize("reason", ["snapshots", "other-entries", "other-names", "nothing"])
def test_otherwise_optuna_adds_them(
    tmp_path: Path, trials: list[FrozenTrial], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    study = journal(tmp_path / "log", Snapshots if reason == "snapshots" else JournalFileBackend)
    if reason == "other-entries":
        monkeypatch.setattr(_public_store, "_entries", lambda *_: [{}] * 3)
    if reason == "other-names":
        monkeypatch.delattr(JournalStorage, "_write_log")
    expected = [] if reason == "nothing" else trials
    assert not append_trials(study._storage, study._study_id, expected)
    monkeypatch.undo()
    assert study.trials == []


WORKER = """
import optuna_ofa
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], study_name="a", load_if_exists=True,
    storage=JournalStorage(JournalFileBackend(path)), seed=1,
)
study.search(until=300)
asked = study.ask_batch(10)
"""


def test_processes_share_one_journal(tmp_path: Path, processes: Any) -> None:
    path = str(tmp_path / "log")
    processes.finish(*(processes.start(WORKER, path=path) for _ in range(3)))
    study = optuna.load_study(study_name="a", storage=JournalStorage(JournalFileBackend(path)))
    assert [t.number for t in study.trials] == list(range(330))
    for state, n in ((TrialState.COMPLETE, 300), (TrialState.RUNNING, 30)):  # asked of the front
        found = study.get_trials(states=[state])
        assert len({repr(t.user_attrs["subnet"]) for t in found}) == len(found) == n


class TestTornLines:
    """What a full disk or a killed process leaves at the end of a journal."""

    @pytest.fixture
    def path(self, make_study: Make, tmp_path: Path) -> Path:
        path = tmp_path / "log"
        self.open(make_study, path).search(20)
        return path

    @staticmethod
    def open(make_study: Make, path: Path) -> SubnetStudy:
        storage = JournalStorage(JournalFileBackend(str(path)))
        return make_study(storage=storage, study_name="a", load_if_exists=True, seed=1)

    @staticmethod
    def tear(path: Path, n: int) -> bytes:
        """Append the beginning of the last line, as a process that dies while it writes."""
        content = path.read_bytes()
        torn = content[content.rindex(b"\n", 0, -1) + 1 : -1][:n]
        path.write_bytes(content + torn)
        return torn

    def test_optuna_makes_the_journal_unreadable(self, path: Path) -> None:
        """This is why it is mended; if Optuna does it, it need not be done here."""
        self.tear(path, 1000)
        for _ in range(2):
            backend = JournalFileBackend(str(path))
            backend.append_logs([{"op_code": 2, "worker_id": "a", "study_id": 0, "user_attr": {}}])
        with pytest.raises(json.JSONDecodeError, match="delimiter"):
            JournalStorage(JournalFileBackend(str(path)))

    @pytest.mark.parametrize("n", [1, 1000, 3000])
    def test_half_a_line_is_set_aside(self, make_study: Make, path: Path, n: int) -> None:
        torn = self.tear(path, n)
        with pytest.warns(UserWarning, match=rf"log ended in {n} bytes .*log\.torn"):
            study = self.open(make_study, path)
        assert path.with_name("log.torn").read_bytes() == torn + b"\n"
        study.search(until=40)
        again = optuna.load_study(
            study_name="a", storage=JournalStorage(JournalFileBackend(str(path)))
        )
        assert [t.number for t in again.trials] == list(range(40))
        assert len({repr(t.user_attrs["subnet"]) for t in again.trials}) == 40

    def test_a_whole_line_is_ended(self, make_study: Make, path: Path) -> None:
        path.write_bytes(path.read_bytes().removesuffix(b"\n"))
        assert len(self.open(make_study, path).trials) == 20
        assert not path.with_name("log.torn").exists()

    @pytest.mark.parametrize("call", ["search", "optimize"])
    def test_an_open_study_mends_it_too(self, make_study: Make, path: Path, call: str) -> None:
        study = self.open(make_study, path)
        torn = self.tear(path, 500)
        more = partial(study.search, 20)
        if call == "optimize":
            more = partial(study.optimize, study.problem, n_trials=20)
        with pytest.warns(UserWarning, match="log ended in 500 bytes"):
            more()
        assert path.with_name("log.torn").read_bytes() == torn + b"\n"
        assert [t.number for t in self.open(make_study, path).trials] == list(range(40))

    def test_a_line_that_is_not_kept_is_shown(self, path: Path) -> None:
        self.tear(path, 500)
        path.with_name("log.torn").mkdir()
        with pytest.warns(UserWarning, match=r"could not be kept .* begin with b'.*op_code"):
            mended(JournalStorage(JournalFileBackend(str(path))))
        assert path.read_bytes().endswith(b"\n")

    def test_only_the_last_line_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "long"
        path.write_bytes(b"{}\n" + b"x" * 200_000)
        with pytest.warns(UserWarning, match="200000 bytes"):
            mend(path)
        assert path.read_bytes() == b"{}\n"
        mend(path)
        assert path.read_bytes() == b"{}\n"
        path.write_bytes(b"")
        mend(path)
        mend(tmp_path / "absent")

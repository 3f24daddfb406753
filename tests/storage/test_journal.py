"""Trials in a journal: as Optuna itself would have written them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.trial import FrozenTrial

from optuna_ofa import SubnetStudy
from optuna_ofa.fronts import Batch
from optuna_ofa.storage import _public_store
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
    return finished_trials(study.problem, Batch(matrix, *study.problem.evaluate(matrix), *moments))


def journal(path: Path, backend: type[JournalFileBackend] = JournalFileBackend) -> optuna.Study:
    storage = JournalStorage(backend(str(path)))
    return optuna.create_study(storage=storage, study_name="a", directions=["maximize", "minimize"])


def entries(path: Path) -> list[dict[str, Any]]:
    """What stands in a journal, but for who wrote it."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: entry[key] for key in entry if key != "worker_id"} for entry in found]


def test_entries_are_those_that_optuna_writes(tmp_path: Path, trials: list[FrozenTrial]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    _public_store.add_trials(study := journal(ours), trials)
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
    _public_store.add_trials(study, trials)
    assert sizes == [5]


@pytest.mark.parametrize("reason", ["snapshots", "other-entries", "other-names", "nothing"])
def test_otherwise_optuna_adds_them(
    tmp_path: Path, trials: list[FrozenTrial], monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    study = journal(tmp_path / "log", Snapshots if reason == "snapshots" else JournalFileBackend)
    if reason == "other-entries":
        monkeypatch.setattr(_public_store, "_entries", lambda study_id, trials: [{}] * 3)
    if reason == "other-names":
        monkeypatch.delattr(JournalStorage, "_write_log")
    expected = [] if reason == "nothing" else trials
    added: list[FrozenTrial] = []
    monkeypatch.setattr(study, "add_trials", added.extend)
    _public_store.add_trials(study, expected)
    assert added == expected

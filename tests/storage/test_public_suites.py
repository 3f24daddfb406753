"""Optuna's public suite of storages on what `open_storage` returns, and on studies of ours.

The suite runs whole on each kind of storage: nothing that this package opens or tunes may behave
otherwise. Trials that this package writes by table are read back through every reader of Optuna.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.testing.pytest_storages import StorageTestCase
from optuna.trial import TrialState

from optuna_ofa.storage import open_storage
from optuna_ofa.studies import SubnetStudy

Make = Callable[..., SubnetStudy]


def journal(folder: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(folder / "study.log")))


class TestMemory(StorageTestCase):
    @pytest.fixture
    def storage(self) -> BaseStorage:
        return open_storage(None)


class TestSqlite(StorageTestCase):
    @pytest.fixture
    def storage(self, sqlite: str) -> BaseStorage:
        return open_storage(sqlite)


class TestJournal(StorageTestCase):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> BaseStorage:
        return open_storage(journal(tmp_path))


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_every_reader_of_optuna_sees_our_trials(
    make_study: Make, sqlite: str, tmp_path: Path, kind: str
) -> None:
    storages: dict[str, Callable[[], BaseStorage]] = {
        "memory": lambda: open_storage(None),
        "sqlite": lambda: RDBStorage(sqlite),
        "journal": lambda: journal(tmp_path),
    }
    storage = storages[kind]()
    study = make_study(storage=storage, study_name="ours", constraints={"latency_ms": 30.0})
    study.search(120)
    asked = study.ask_batch(3)
    values = [
        tuple(p * 1.01 for p in (one.predicted["top1"], one.predicted["latency_ms"]))
        for one in asked
    ]
    study.tell_batch(asked, [values[0], None, values[2]])
    reader = storage if kind == "memory" else storages[kind]()
    plain = optuna.load_study(study_name="ours", storage=reader)
    assert [t.number for t in plain.trials] == list(range(123))
    assert [t.values for t in plain.trials] == [t.values for t in study.trials]
    assert [t.params for t in plain.trials] == [t.params for t in study.trials]
    assert all(
        t.distributions == {n: study.space.distributions[n] for n in t.params} for t in plain.trials
    )
    assert plain.trials[121].state == TrialState.FAIL
    assert plain.trials[122].values == pytest.approx(values[2])
    study_id = plain._study_id
    counts = {state: reader.get_n_trials(study_id, state) for state in TrialState}
    assert (counts[TrialState.COMPLETE], counts[TrialState.FAIL]) == (122, 1)
    assert sum(counts.values()) == reader.get_n_trials(study_id) == 123
    for trial in plain.trials[::20]:
        assert reader.get_trial(trial._trial_id) == trial
        number = reader.get_trial_number_from_id(trial._trial_id)
        assert reader.get_trial_id_from_study_id_trial_number(study_id, number) == trial._trial_id
    (summary,) = optuna.get_all_study_summaries(reader)
    assert (summary.study_name, summary.n_trials) == ("ours", 123)
    frame = plain.trials_dataframe()
    assert frame["state"].value_counts().to_dict() == {"COMPLETE": 122, "FAIL": 1}
    feasible = [t for t in plain.trials if t.values and all(c <= 0 for c in t.constraints.values())]
    assert {t.number for t in plain.best_trials} <= {t.number for t in feasible}
    assert pickle.loads(pickle.dumps(reader)).get_all_trials(study_id) == plain.trials

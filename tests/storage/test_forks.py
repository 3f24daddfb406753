"""A forked process goes on with an open study."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from optuna_ofa.problem import CLAIM

N_CHILDREN = 2
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks on this system")
# Run in another interpreter: forks of this one would have the tests' threads and servers.
SCRIPT = """
import os, signal, sys, threading
import optuna_ofa
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

storage = url
if url.startswith("journal:"):
    storage = JournalStorage(JournalFileBackend(url.removeprefix("journal:")))
elif beats:
    storage = RDBStorage(url, heartbeat_interval=1)
study = optuna_ofa.study(
    "ofa_mbv3_w1.0", objectives=["n_macs", "n_params"], storage=storage, study_name=name, seed=1
)
study.search(100)
threads = []
if threaded:  # searches while the others are forked
    threads = [threading.Thread(target=study.search, args=(200,))]
    asked = study.ask_batch(1) if beats else []  # with a thread for its heartbeats
    for thread in threads: thread.start()
children = []
for _ in range(n_children):
    child = os.fork()
    if child == 0:
        signal.alarm(100)  # an end, whatever happens
        study.search(100)
        study.optimize(study.problem, n_trials=1)
        os._exit(0)
    children.append(child)
study.search(100) if not threaded else None
for thread in threads: thread.join()
for child in children:
    assert os.waitpid(child, 0)[1] == 0
study.search(100)
"""


@pytest.fixture(params=["sqlite", "journal", "postgresql", "mysql"])
def place(request: pytest.FixtureRequest, tmp_path: Path, database: Callable[[str], str]) -> str:
    """A storage of each kind that can be had."""
    match request.param:
        case "sqlite":
            return f"sqlite:///{tmp_path}/a.db"
        case "journal":
            return f"journal:{tmp_path}/log"
        case kind:
            return database(kind)


@pytest.fixture
def name(place: str, delete_studies: Callable[[str, Sequence[str]], None]) -> Iterator[str]:
    """The name of a study, which is deleted afterwards."""
    name = f"test-{uuid4()}"
    yield name
    if "@" in place:  # on a server
        delete_studies(place, [name])


@pytest.mark.parametrize("threaded", [False, True], ids=["alone", "threads"])
def test_parent_and_children_search_on(
    place: str, name: str, threaded: bool, processes: Any
) -> None:
    beats = threaded and not place.startswith("journal")
    processes.finish(
        processes.start(
            SCRIPT, url=place, name=name, threaded=threaded, beats=beats, n_children=N_CHILDREN
        )
    )
    storage: Any = place
    if place.startswith("journal:"):
        storage = JournalStorage(JournalFileBackend(place.removeprefix("journal:")))
    trials = optuna.load_study(study_name=name, storage=storage).trials
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    searched = 100 + (200 if threaded else 100) + 100
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(trials) - len(done) == (1 if beats else 0)
    assert len(done) == searched + N_CHILDREN * (100 + 1)
    by_search = [trial for trial in done if CLAIM not in trial.system_attrs]
    assert len({json.dumps(trial.user_attrs["subnet"]) for trial in by_search}) == searched + 200

"""Kill workers that search one study, and look at what they leave behind.

Several processes search one study. Again and again one is killed (SIGKILL) at a random moment,
the study's rows are checked, and another worker takes its place:

    python benchmarks/kill_workers.py --storage postgresql+psycopg://user@host/database

After each kill every trial is complete, with all of its parameters, values and attributes, trial
numbers have no gap, no subnet is there twice, what workers had said to have written is there, and
the others go on. The command fails at the first time that this is not so.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from uuid import uuid4

import optuna
import sqlalchemy as sa
from _head import print_head
from optuna.storages._rdb import models
from optuna.trial import TrialState

import optuna_ofa

ROWS = {
    models.TrialParamModel: 46,
    models.TrialValueModel: 2,
    models.TrialUserAttributeModel: 3,
    models.TrialSystemAttributeModel: 2,
}
PATIENCE_S = 120


class Worker:
    """A process that searches, and what it has said to have written."""

    def __init__(self, url: str, name: str) -> None:
        command = [sys.executable, __file__, "--storage", url, "--study-name", name, "--work"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.n_written = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.n_written += int(line)


class Checker:
    """Looks at the trials that were not there at the last look."""

    def __init__(self, url: str, name: str) -> None:
        self._engine = sa.create_engine(url)
        self._study_id = optuna.load_study(study_name=name, storage=url)._study_id
        self._subnets: set[str] = set()
        self._last_id = 0

    def check(self) -> int:
        """Return the number of trials; raises AssertionError if something is wrong."""
        table = models.TrialModel.__table__
        new = (table.c.study_id == self._study_id) & (table.c.trial_id > self._last_id)
        query = sa.select(table.c.trial_id, table.c.number, table.c.state).where(new)
        with self._engine.connect() as connection:
            trials = connection.execute(query.order_by(table.c.trial_id)).all()
            if not trials:
                return len(self._subnets)
            first, last = trials[0].trial_id, trials[-1].trial_id
            n = len(self._subnets)
            assert [t.number for t in trials] == list(range(n, n + len(trials))), "a gap"
            assert {t.state for t in trials} == {TrialState.COMPLETE}, "an unfinished trial"
            for model, n_rows in ROWS.items():
                key = model.__table__.c.trial_id
                ids = connection.execute(sa.select(key).where(key.between(first, last))).scalars()
                counts = Counter(ids)
                assert all(counts[t.trial_id] == n_rows for t in trials), model.__tablename__
            self._take_subnets(connection, {t.trial_id for t in trials}, first, last)
        self._last_id = last
        return len(self._subnets)

    def _take_subnets(self, connection: sa.Connection, ids: set[int], *ends: int) -> None:
        table = models.TrialUserAttributeModel.__table__
        own = table.c.trial_id.between(*ends) & (table.c.key == "subnet")
        rows = connection.execute(sa.select(table.c.trial_id, table.c.value_json).where(own)).all()
        for trial_id, text in rows:
            if trial_id in ids:
                assert text not in self._subnets, f"{text} is there twice"
                self._subnets.add(text)


def search(url: str, name: str) -> optuna_ofa.SubnetStudy:
    """The study, of counts only, so that a worker starts fast."""
    return optuna_ofa.study(
        "ofa_mbv3_w1.0",
        objectives=["n_macs", "n_params"],
        constraints={"n_macs": 4e8},
        storage=url,
        study_name=name,
        load_if_exists=True,
    )


def work(url: str, name: str) -> None:
    """Search for ever, and say after each generation how many trials it has made."""
    study = search(url, name)
    while True:
        study.search(100)
        print(100, flush=True)


def wait_for(workers: list[Worker], progress: dict[Worker, int]) -> None:
    """Wait until each worker has written something more."""
    end = time.monotonic() + PATIENCE_S
    while any(worker.n_written <= progress.get(worker, 0) for worker in workers):
        for worker in workers:
            assert worker.process.poll() is None, "a worker ended by itself"
        assert time.monotonic() < end, "a worker does not go on"
        time.sleep(0.05)


def kill(worker: Worker) -> None:
    """End a worker at once."""
    worker.process.send_signal(signal.SIGKILL)
    worker.process.wait()


def main() -> None:
    """Kill, check, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--storage", default=os.environ.get("OPTUNA_OFA_TEST_POSTGRESQL"))
    parser.add_argument("--study-name", default=f"kill-{uuid4()}")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    url, name = arguments.storage, arguments.study_name
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if arguments.work:
        work(url, name)
    print_head()  # a worker prints numbers alone
    search(url, name)
    n = run(url, name, arguments.kills, arguments.workers)
    print(
        f"{arguments.kills} kills of {arguments.workers} workers on {sa.make_url(url)!r}: "
        f"{n} trials, 0 torn, 0 lost, 0 gaps, 0 twice"
    )
    delete(url, name)


def delete(url: str, name: str) -> None:
    """Delete the study; Optuna would load all of its rows first."""
    study_id = optuna.load_study(study_name=name, storage=url)._study_id
    trials = models.TrialModel.__table__
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.select(trials.c.trial_id).where(trials.c.study_id == study_id)
        ids = connection.execute(query).scalars().all()
    for start in range(0, len(ids), 500):  # in parts, so that nobody waits for the locks
        with engine.begin() as connection:
            for model in (*ROWS, models.TrialModel):
                table = model.__table__
                which = table.c.trial_id.in_(ids[start : start + 500])
                connection.execute(sa.delete(table).where(which))
    optuna.delete_study(study_name=name, storage=url)


def run(url: str, name: str, n_kills: int, n_workers: int) -> int:
    """Kill one worker after another; returns the number of trials at the end."""
    checker = Checker(url, name)
    workers = [Worker(url, name) for _ in range(n_workers)]
    dead: list[Worker] = []
    try:
        for i in range(n_kills):
            wait_for(workers, {})
            time.sleep(random.uniform(0, 0.5))
            dead.append(workers.pop(random.randrange(len(workers))))
            kill(dead[-1])
            said = sum(worker.n_written for worker in (*workers, *dead))
            n = checker.check()
            assert n >= said, f"{said} trials were written, but {n} are there"
            wait_for(workers, {worker: worker.n_written for worker in workers})
            print(
                f"kill {i + 1}: {n} trials, all whole, no gap, none twice; the others go on",
                flush=True,
            )
            workers.append(Worker(url, name))
    finally:
        for worker in workers:
            kill(worker)
    return checker.check()


if __name__ == "__main__":
    main()

"""Trials in Optuna's relational tables, read and written without Optuna."""

from __future__ import annotations

import json

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.fronts import Batch, Results
from optuna_ofa.problem import SUMMARY_KEY, Keep, Problem
from optuna_ofa.storage._generations import Generation, next_key
from optuna_ofa.storage._open import storage_errors
from optuna_ofa.storage._read import Position, read_new
from optuna_ofa.storage._rows import TrialRows
from optuna_ofa.storage._store import Store, Written
from optuna_ofa.storage._transactions import locked, retrying
from optuna_ofa.storage._write import insert_trials


class TableStore(Store):
    """Optuna's tables, read and written directly.

    Args:
        study_id: The study.
        tables: What `relational` returned.
        problem: What the study searches for.
        keep: What is written of a generation.
    """

    def __init__(self, study_id: int, tables: RDBStorage, problem: Problem, keep: Keep) -> None:
        super().__init__(problem, keep)
        self._study_id, self._tables = study_id, tables
        self._rows = TrialRows(problem)
        self._position = Position()

    def read(self) -> Results:
        """The trials that have finished since the last call, whoever ran them."""
        engine = self._tables.engine
        with storage_errors(str(engine.url)), engine.connect() as connection:
            news, self._position = read_new(
                connection, self._study_id, self._problem, self._position
            )
        self._learn(news)
        return news

    def write(self, batch: Batch) -> Written:
        """Add a generation in one transaction, less the subnets that others have finished."""
        written, self._position = retrying(
            lambda: self._write(batch), self._tables.engine, len(batch.matrix)
        )
        self._learn(written.news, written.own)
        return written

    def _write(self, batch: Batch) -> tuple[Written, Position]:
        with locked(self._tables.engine, self._study_id) as connection:
            news, seen = read_new(connection, self._study_id, self._problem, self._position)
            batch = batch.without(news.matrix)
            chosen = self._chosen(batch, news)
            ids = insert_trials(
                connection, self._study_id, self._rows, chosen, seen.n_trials, seen.last_id
            )
            if self._front is not None:
                self._insert_summary(connection, Generation.of(self._problem, batch, len(ids)))
        numbers = range(seen.n_trials, seen.n_trials + len(ids))
        reached = Position(max(ids, default=seen.last_id), seen.n_trials + len(ids), seen.open)
        return Written(len(batch.matrix), chosen.numbered(numbers), news), reached

    def _insert_summary(self, connection: sa.Connection, summary: Generation) -> None:
        table = models.StudySystemAttributeModel.__table__
        own = (table.c.study_id == self._study_id) & table.c.key.startswith(SUMMARY_KEY)
        last = connection.execute(sa.select(sa.func.max(table.c.key)).where(own)).scalar()
        row = {
            "study_id": self._study_id,
            "key": next_key([last] if last else []),
            "value_json": json.dumps(summary.to_dict()),
        }
        connection.execute(sa.insert(table), row)

    def count_waiting(self) -> int:
        """Number of trials that were enqueued and not started; `read` comes first."""
        if not self._position.open:
            return 0
        trials = models.TrialModel.__table__
        query = sa.select(sa.func.count()).where(
            trials.c.study_id == self._study_id, trials.c.state == TrialState.WAITING
        )
        with self._tables.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

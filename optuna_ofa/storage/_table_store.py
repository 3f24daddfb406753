"""Trials in Optuna's relational tables, read and written without Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.storages import BaseStorage, RDBStorage

from optuna_ofa.fronts import Generation, summaries
from optuna_ofa.problem import SUMMARY_KEY, Evaluated, Keep, Problem
from optuna_ofa.space import Matrix
from optuna_ofa.storage._attributes import (
    insert_summary,
    read_attributes,
    read_times,
    write_attributes,
)
from optuna_ofa.storage._finish import Check, Ending, finish_trials
from optuna_ofa.storage._read import Position, last_trial_id, read_new
from optuna_ofa.storage._rows import TrialRows
from optuna_ofa.storage._start import start_trials
from optuna_ofa.storage._store import Attributes, Moment, Store, Times, Written
from optuna_ofa.storage._transactions import locked, retrying, storage_errors
from optuna_ofa.storage._unfinished import UNFINISHED, Unfinished
from optuna_ofa.storage._write import insert_trials


class TableStore(Store):
    """Optuna's tables, read and written directly.

    Args:
        storage: The storage.
        study_name: The name of the study.
        problem: The problem of the study.
        keep: What is written of a generation.
        tables: What `relational` returned.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_name: str,
        problem: Problem,
        keep: Keep,
        tables: RDBStorage,
    ) -> None:
        super().__init__(storage, study_name, problem, keep)
        self._tables = tables
        self._rows = TrialRows(problem)
        self._position = Position()

    @property
    def database(self) -> optuna.Study:
        """The study, in whose database there may be tables of ours."""
        return self._plain

    def read(self) -> Evaluated:
        """Return the trials that have finished since the last call, whoever ran them."""
        engine = self._tables.engine
        with storage_errors(str(engine.url)), engine.connect() as connection:
            news, self._position = read_new(
                connection, self.study_id, self._problem, self._position
            )
        self._note(news)
        return news

    def unfinished(self) -> Unfinished:
        """Return the trials without values; finished ones are not read."""
        last_id = last_trial_id(self._tables.engine, self.study_id)
        trials = self._tables.get_all_trials(self.study_id, deepcopy=False, states=UNFINISHED)
        return Unfinished.of(self._problem.space, trials, last_id)

    def attributes(self) -> dict[str, Any]:
        """Return the system attributes of the study."""
        return read_attributes(self._tables.engine, self.study_id)

    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole, of all workers."""
        return summaries(read_attributes(self._tables.engine, self.study_id, SUMMARY_KEY))

    def _times(self) -> list[tuple[int, Moment, Moment]]:
        return read_times(self._tables.engine, self.study_id)

    def write(self, predicted: Evaluated, times: Times) -> Written:
        """Add a generation in one transaction, less the subnets that others have finished."""
        written, self._position = retrying(
            lambda: self._write(predicted, times), self._tables.engine, len(predicted.matrix)
        )
        self._note(written.news, written.own)
        return written

    def _write(self, predicted: Evaluated, times: Times) -> tuple[Written, Position]:
        with locked(self._tables.engine, self.study_id) as connection:
            news, seen = read_new(connection, self.study_id, self._problem, self._position)
            predicted = predicted.without(news.matrix)
            kept = self._kept(predicted, news)
            ids = insert_trials(
                connection,
                self.study_id,
                self._rows,
                kept,
                times,
                first=seen.n_trials,
                after=seen.last_id,
            )
            if self._front is not None:
                summary = Generation.of(self._problem, predicted, times[1], len(ids))
                insert_summary(connection, self.study_id, summary)
        numbers = range(seen.n_trials, seen.n_trials + len(ids))
        reached = Position(max(ids, default=seen.last_id), seen.n_trials + len(ids), seen.open)
        own = kept.numbered(numbers)
        return Written(len(predicted.matrix), own, news), reached

    def _start(self, matrix: Matrix, attributes: Attributes, last_id: int) -> dict[int, int]:
        return start_trials(self._tables, self.study_id, self._problem, matrix, attributes, last_id)

    def _finish(self, endings: Sequence[Ending], check: Check) -> None:
        finish_trials(self._tables, self.study_id, endings, check)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set system attributes of the study in one transaction."""
        write_attributes(self._tables.engine, self.study_id, attributes)

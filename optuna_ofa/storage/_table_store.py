"""Trials in Optuna's relational tables, read and written without Optuna."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import optuna
import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.fronts import Generation, next_key, summaries
from optuna_ofa.problem import SUMMARY_KEY, Evaluated, Keep, Parameters, Problem
from optuna_ofa.space import Matrix, absent
from optuna_ofa.storage._finish import Check, Ending, finish_trials
from optuna_ofa.storage._lost import lost_trials
from optuna_ofa.storage._read import Position, last_trial_id, read_new
from optuna_ofa.storage._rows import TrialRows
from optuna_ofa.storage._seen import SEEN_KEY, Seen
from optuna_ofa.storage._start import start_trials
from optuna_ofa.storage._store import Attributes, Moment, Period, Store, Written
from optuna_ofa.storage._tolerant import in_readable_parts, is_of_row
from optuna_ofa.storage._transactions import fetch_rows, locked, retrying
from optuna_ofa.storage._unfinished import UNFINISHED, Unfinished, may_be_lost
from optuna_ofa.storage._workers import WORKER_KEY, next_worker
from optuna_ofa.storage._write import Inserter, insert_trials

_attributes = models.StudySystemAttributeModel.__table__
_trials = models.TrialModel.__table__
_NEW_SEEN = sa.select(_attributes.c.key, _attributes.c.value_json).where(
    _attributes.c.study_id == sa.bindparam("study"),
    _attributes.c.key.startswith(SEEN_KEY),
    _attributes.c.key > sa.bindparam("after"),
)


class TableStore(Store):
    """Optuna's tables, read and written directly.

    Args:
        storage: The storage.
        study_name: The name of the study.
        problem: The problem of the study.
        keep: Which evaluations of a generation are written.
        parameters: Which of their trials have parameters.
        tables: What `relational` returned.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_name: str,
        problem: Problem,
        keep: Keep,
        parameters: Parameters,
        tables: RDBStorage,
    ) -> None:
        super().__init__(storage, study_name, problem, keep, parameters)
        self._tables = tables
        self._rows = TrialRows(problem)
        self._position = Position()
        self._last_seen = ""  # key of the last unwritten evaluations

    @property
    def database(self) -> optuna.Study:
        """The study, whose database may have our tables."""
        return self._plain

    def read(self) -> Evaluated:
        """Return the trials that have finished since the last call, in any process."""
        engine = self._tables.engine
        with engine.connect() as connection:
            news, self._position, flaws = read_new(
                connection, self.study_id, self._problem, self._position
            )
        news = self._possible(news, flaws)
        self._note(news)
        return news

    def read_unwritten(self) -> Evaluated:
        """Return evaluations of which only a part became trials, new ones of any process."""
        with self._tables.engine.connect() as connection:
            seen, self._last_seen = _read_seen(
                connection, self.study_id, self._problem, self._last_seen
            )
        self._n_unwritten += seen.n_unwritten
        return seen.evaluated

    def unfinished(self) -> Unfinished:
        """Return the trials without values; finished ones are not read."""
        last_id = last_trial_id(self._tables.engine, self.study_id)
        trials = self._tables.get_all_trials(self.study_id, deepcopy=False, states=UNFINISHED)
        lost = lost_trials(self._tables, may_be_lost(trials))
        return Unfinished.of(self._problem.space, trials, lost, last_id)

    def has_bare_trials(self) -> bool:
        """Return whether a complete trial has no parameters."""
        param = models.TrialParamModel.__table__.c.trial_id
        bare = sa.select(_trials.c.trial_id).where(
            _trials.c.study_id == self.study_id,
            _trials.c.state == TrialState.COMPLETE,
            ~sa.exists(sa.select(param).where(param == _trials.c.trial_id)),
        )
        with self._tables.engine.connect() as connection:
            return connection.execute(bare.limit(1)).first() is not None

    def attributes(self) -> dict[str, Any]:
        """Return the system attributes of the study."""
        return _read_attributes(self._tables.engine, self.study_id)

    def _notes(self, numbers: Sequence[int]) -> list[Mapping[str, Any]]:
        read = partial(_read_notes, self._tables.engine, self.study_id)
        notes: list[Mapping[str, Any]] = []
        for start in range(0, len(numbers), _AT_ONCE):
            for _, found in in_readable_parts(read, numbers[start : start + _AT_ONCE]):
                notes += [{}] if isinstance(found, Exception) else found
        return notes

    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole, of all workers."""
        return summaries(_read_attributes(self._tables.engine, self.study_id, SUMMARY_KEY))

    def _times(self) -> list[tuple[int, Moment, Moment]]:
        return _read_times(self._tables.engine, self.study_id)

    def write(self, predicted: Evaluated, times: Period, room: int | None = None) -> Written:
        """Add a generation in one transaction, without the subnets evaluated elsewhere."""
        attempts = itertools.count()
        written, self._position, self._last_seen, n_unwritten = retrying(
            lambda: self._write(predicted, times, room, is_first=next(attempts) == 0),
            self._tables.engine,
            len(predicted.matrix),
        )
        self._n_unwritten += n_unwritten
        self._note(written.news, written.own)
        return written

    def _write(
        self, predicted: Evaluated, times: Period, room: int | None, *, is_first: bool
    ) -> tuple[Written, Position, str, int]:
        problem, study_id = self._problem, self.study_id
        with locked(self._tables.engine, study_id) as connection:
            news, position, flaws = read_new(connection, study_id, problem, self._position)
            news = self._possible(news, flaws)
            others, last_seen = _read_seen(connection, study_id, problem, self._last_seen)
            ours = ~absent(news.matrix, predicted.matrix)
            seen = ~absent(others.evaluated.matrix, predicted.matrix) & ~others.kept
            if is_first:
                ours[:] = seen[:] = False  # else an attempt was committed, but no answer came
            n_known = int(ours.sum() + seen.sum())
            known, news = news.select(ours), news.select(~ours)
            elsewhere = [news.matrix, known.matrix, others.evaluated.matrix]
            predicted = predicted.without(np.concatenate(elsewhere))
            if room is not None:
                left = room - len(news.numbers) - len(known.numbers) - others.n_unwritten
                predicted = predicted.select(slice(max(0, left)))
            chosen = self._choose(predicted, news)
            own = Seen(predicted, chosen.kept, position.n_trials)
            kept = predicted.select(own.kept)
            ids = insert_trials(
                connection,
                study_id,
                self._rows,
                kept,
                chosen.whole[chosen.kept],
                times,
                first=position.n_trials,
                after=position.last_id,
            )
            if self._keep != "all":
                summary = Generation.of(problem, predicted, times[1], len(ids))
                key = _insert_generation(connection, study_id, problem, summary, own)
                last_seen = max(last_seen, key)
        numbers = range(position.n_trials, position.n_trials + len(ids))
        position = Position(
            max(ids, default=position.last_id), position.n_trials + len(ids), position.open
        )
        written = Written(
            len(predicted.matrix) + n_known,
            Evaluated.join([known, kept.numbered(numbers)]),
            news,
            others.evaluated,
        )
        return written, position, last_seen, others.n_unwritten + own.n_unwritten

    def _start(
        self, matrix: Matrix, attributes: Attributes, last_id: int, mark: str
    ) -> dict[int, int]:
        return start_trials(
            self._tables, self.study_id, self._problem, matrix, attributes, last_id, mark
        )

    def _finish(self, endings: Sequence[Ending], check: Check) -> None:
        finish_trials(self._tables, self.study_id, endings, check)

    def set_attributes(self, attributes: Mapping[str, Any], removed: Iterable[str] = ()) -> None:
        """Set and remove system attributes of the study in one transaction."""
        _write_attributes(self._tables.engine, self.study_id, attributes, set(removed))

    @property
    def removes_attributes(self) -> bool:
        """Whether system attributes of the study can be removed."""
        return True

    def take_worker(self) -> int:
        """Take the next number of a worker, in one transaction."""
        engine = self._tables.engine
        return retrying(lambda: _take_worker(engine, self.study_id), engine, 1, what="attributes")


def _take_worker(engine: sa.Engine, study_id: int) -> int:
    own = (_attributes.c.study_id == study_id) & _attributes.c.key.startswith(WORKER_KEY)
    with locked(engine, study_id) as connection:
        worker = next_worker(connection.execute(sa.select(_attributes.c.key).where(own)).scalars())
        row = (study_id, f"{WORKER_KEY}{worker}", json.dumps(True))
        Inserter(connection).insert(_attributes, ("study_id", "key", "value_json"), [row])
    return worker


def _read_attributes(engine: sa.Engine, study_id: int, prefix: str = "") -> dict[str, Any]:
    """Return the system attributes of a study whose keys begin with a prefix."""
    query = sa.select(_attributes.c.key, _attributes.c.value_json).where(
        _attributes.c.study_id == study_id, _attributes.c.key.startswith(prefix)
    )
    with engine.connect() as connection:
        return {key: json.loads(text) for key, text in connection.execute(query)}


def _write_attributes(
    engine: sa.Engine, study_id: int, attributes: Mapping[str, Any], removed: set[str]
) -> None:
    """Set and remove system attributes of a study; see `Store.set_attributes`."""
    if attributes or removed:
        retrying(
            lambda: _replace(engine, study_id, attributes, removed),
            engine,
            len(attributes) + len(removed),
            what="attributes",
        )


def _replace(
    engine: sa.Engine, study_id: int, attributes: Mapping[str, Any], removed: set[str]
) -> None:
    with locked(engine, study_id) as connection:
        own = _attributes.c.study_id == study_id
        there = connection.execute(sa.select(_attributes.c.key).where(own)).scalars()
        for key in [key for key in there if key in attributes or key in removed]:
            connection.execute(sa.delete(_attributes).where(own, _attributes.c.key == key))
        rows = [(study_id, key, json.dumps(value)) for key, value in attributes.items()]
        Inserter(connection).insert(_attributes, ("study_id", "key", "value_json"), rows)


def _insert_generation(
    connection: sa.Connection, study_id: int, problem: Problem, summary: Generation, seen: Seen
) -> str:
    """Add a generation, in a transaction that holds the study's lock; return its last key."""
    own = (_attributes.c.study_id == study_id) & _attributes.c.key.startswith(SUMMARY_KEY)
    last = connection.execute(sa.select(sa.func.max(_attributes.c.key)).where(own)).scalar()
    key = next_key([last] if last else [])
    parts = seen.attributes(problem, key.removeprefix(SUMMARY_KEY))
    written = {key: summary.to_dict(), **parts}
    rows = [(study_id, name, json.dumps(value)) for name, value in written.items()]
    Inserter(connection).insert(_attributes, ("study_id", "key", "value_json"), rows)
    return max(parts, default="")


def _read_seen(
    connection: sa.Connection, study_id: int, problem: Problem, after: str
) -> tuple[Seen, str]:
    """Return the evaluations that were stored after those of a key, and the last key."""
    rows = fetch_rows(connection, _NEW_SEEN, study=study_id, after=after)
    attributes = {key: json.loads(text) for key, text in rows}
    return Seen.joined(problem, attributes), max([after, *attributes])


def _read_times(engine: sa.Engine, study_id: int) -> list[tuple[int, Moment, Moment]]:
    """Return the number, the start and the end of each complete trial."""
    query = sa.select(_trials.c.number, _trials.c.datetime_start, _trials.c.datetime_complete)
    own_complete = (_trials.c.study_id == study_id) & (_trials.c.state == TrialState.COMPLETE)
    query = query.where(own_complete)

    def read(ids: Sequence[int] | None) -> list[tuple[int, Moment, Moment]]:
        own = query if ids is None else query.where(_trials.c.trial_id.in_(ids))
        with engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(own)]

    try:
        return read(None)
    except Exception as error:
        if not is_of_row(error):
            raise
    with engine.connect() as connection:
        ids = connection.execute(sa.select(_trials.c.trial_id).where(own_complete)).scalars().all()
    chunks = [ids[i : i + _AT_ONCE] for i in range(0, len(ids), _AT_ONCE)]
    parts = [found for chunk in chunks for _, found in in_readable_parts(read, chunk)]
    return [row for part in parts if not isinstance(part, Exception) for row in part]


_AT_ONCE = 500  # databases limit the parameters of a statement


def _read_notes(engine: sa.Engine, study_id: int, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return the user attributes of trials, in the order of their numbers."""
    table = models.TrialUserAttributeModel.__table__
    query = sa.select(_trials.c.number, table.c.key, table.c.value_json)
    query = query.join(table, table.c.trial_id == _trials.c.trial_id)
    query = query.where(_trials.c.study_id == study_id)
    found: dict[int, dict[str, Any]] = {number: {} for number in numbers}
    with engine.connect() as connection:
        for number, key, text in connection.execute(query.where(_trials.c.number.in_(numbers))):
            found[number][key] = json.loads(text)
    return [found[number] for number in numbers]

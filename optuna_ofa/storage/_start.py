"""Starting trials in Optuna's tables, which run while their subnets are measured.

Trials are started in one transaction that holds Optuna's lock on the study's row, and that drops
subnets which other processes have already started, so that no two measure the same one.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.problem import ASKED, Problem
from optuna_ofa.space import Matrix
from optuna_ofa.storage._encoding import compact_json, shown_texts, subnet_dicts, subnet_texts
from optuna_ofa.storage._rows import ATTRIBUTE_COLUMNS, PARAM_COLUMNS, TrialRows
from optuna_ofa.storage._transactions import locked, retrying
from optuna_ofa.storage._write import Inserter, utc


def start_trials(
    tables: RDBStorage,
    study_id: int,
    problem: Problem,
    matrix: Matrix,
    attributes: Sequence[Mapping[str, Any]],
    last_id: int,
    mark: str,
) -> dict[int, int]:
    """Start trials in one transaction; see `Store.start`."""
    start = partial(_insert_running, tables, study_id, problem, matrix, attributes, last_id, mark)
    return retrying(start, tables.engine, len(matrix))


def _insert_running(
    tables: RDBStorage,
    study_id: int,
    problem: Problem,
    matrix: Matrix,
    attributes: Sequence[Mapping[str, Any]],
    last_id: int,
    mark: str,
) -> dict[int, int]:
    """Insert the rows that Optuna would write for the same trials."""
    family = problem.space.table
    texts = subnet_texts(family, matrix)
    shown = shown_texts(family)(subnet_dicts(family, matrix))
    with locked(tables.engine, study_id) as connection:
        started = _started_subnets(connection, study_id, last_id)
        free = [i for i, text in enumerate(texts) if text not in started]
        ids = _insert_heads(connection, study_id, len(free))
        inserter = Inserter(connection)
        inserter.insert(
            models.TrialParamModel.__table__,
            PARAM_COLUMNS,
            TrialRows(problem).params(ids, matrix[free]),
        )
        written = [
            (trial_id, key, text)
            for trial_id, i in zip(ids, free, strict=True)
            for key, text in (
                ("subnet", texts[i]),
                ("subnet_text", json.dumps(shown[i])),
                *((key, compact_json(value)) for key, value in attributes[i].items()),
            )
        ]
        inserter.insert(models.TrialUserAttributeModel.__table__, ATTRIBUTE_COLUMNS, written)
        marks = [(trial_id, ASKED, json.dumps(mark)) for trial_id in ids]
        inserter.insert(models.TrialSystemAttributeModel.__table__, ATTRIBUTE_COLUMNS, marks)
        if is_heartbeat_enabled(tables) and ids:
            beats = [{"trial_id": trial_id} for trial_id in ids]
            connection.execute(sa.insert(models.TrialHeartbeatModel.__table__), beats)
    return dict(zip(free, ids, strict=True))


def _started_subnets(connection: sa.Connection, study_id: int, last_id: int) -> set[str]:
    """Return the subnets that are running or newer than a trial, finished or not."""
    trials, table = models.TrialModel.__table__, models.TrialUserAttributeModel.__table__
    query = (
        sa.select(table.c.value_json)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(
            trials.c.study_id == study_id,
            (trials.c.state == TrialState.RUNNING) | (trials.c.trial_id > last_id),
            table.c.key == "subnet",
        )
    )
    # those of `optimize` are written by Optuna, with spaces
    return {compact_json(json.loads(text)) for text in connection.execute(query).scalars()}


def _insert_heads(connection: sa.Connection, study_id: int, n: int) -> list[int]:
    """Insert the trials themselves, and return their ids."""
    if n == 0:
        return []
    table = models.TrialModel.__table__
    own = table.c.study_id == study_id
    last = connection.execute(sa.select(sa.func.max(table.c.number)).where(own)).scalar_one()
    first = 0 if last is None else last + 1
    row = {
        "study_id": study_id,
        "state": TrialState.RUNNING,
        "datetime_complete": None,
        "datetime_start": utc(datetime.datetime.now()),
    }
    rows = [{**row, "number": number} for number in range(first, first + n)]
    connection.execute(sa.insert(table), rows)
    new = sa.select(table.c.trial_id).where(own, table.c.number >= first)
    return list(connection.execute(new.order_by(table.c.number)).scalars())

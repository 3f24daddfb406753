"""Writing a generation into Optuna's tables, which ``_tables.py`` describes.

Optuna writes a trial in some hundred statements; a whole generation takes a few here.
"""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.studies._results import Batch
from optuna_ofa.studies.storage._insert import Inserter
from optuna_ofa.studies.storage._rows import (
    ATTRIBUTE_COLUMNS,
    PARAM_COLUMNS,
    VALUE_COLUMNS,
    TrialRows,
)
from optuna_ofa.studies.storage._tables import fetch

_trials = models.TrialModel.__table__
_NEW_IDS = (
    sa.select(_trials.c.trial_id)
    .where(_trials.c.study_id == sa.bindparam("study"), _trials.c.trial_id > sa.bindparam("after"))
    .order_by(_trials.c.number)
)


def insert_trials(
    connection: sa.Connection, study_id: int, rows: TrialRows, batch: Batch, first: int, after: int
) -> list[int]:
    """Insert complete trials, in a transaction that holds the study's lock.

    Args:
        connection: The connection.
        study_id: The study.
        rows: Makes the rows.
        batch: What was predicted.
        first: Number of the first trial.
        after: An id that all trials of the study that were there before do not exceed.

    Returns:
        The trials' ids.
    """
    if len(batch.matrix) == 0:
        return []
    inserter = Inserter(connection)
    _insert_heads(inserter, study_id, batch, first)
    ids = _ids(connection, study_id, after)
    types = models.TrialValueModel.TrialValueType
    value_type = inserter.stored(models.TrialValueModel.__table__.c.value_type, types.FINITE)
    for model, columns, contents in (
        (models.TrialParamModel, PARAM_COLUMNS, rows.params(ids, batch.matrix)),
        (models.TrialValueModel, VALUE_COLUMNS, rows.values(ids, batch, value_type)),
        (models.TrialUserAttributeModel, ATTRIBUTE_COLUMNS, rows.user_attributes(ids, batch)),
        (models.TrialSystemAttributeModel, ATTRIBUTE_COLUMNS, rows.system_attributes(ids, batch)),
    ):
        inserter.insert(model.__table__, columns, contents)
    return ids


def _insert_heads(inserter: Inserter, study_id: int, batch: Batch, first: int) -> None:
    table = models.TrialModel.__table__
    state = inserter.stored(table.c.state, TrialState.COMPLETE)
    started, completed = (
        inserter.stored(table.c.datetime_start, utc(moment))
        for moment in (batch.started, batch.completed)
    )
    numbers = range(first, first + len(batch.matrix))
    inserter.insert(
        table,
        ("study_id", "number", "state", "datetime_start", "datetime_complete"),
        [(study_id, number, state, started, completed) for number in numbers],
    )


def _ids(connection: sa.Connection, study_id: int, after: int) -> list[int]:
    return [trial_id for (trial_id,) in fetch(connection, _NEW_IDS, study=study_id, after=after)]


def utc(moment: datetime.datetime) -> datetime.datetime:
    """A local time as Optuna stores it: in UTC, without saying so."""
    return moment.astimezone(datetime.UTC).replace(tzinfo=None)

"""Attributes and times of a study in Optuna's tables, in one statement or transaction each."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.fronts import Generation, next_key
from optuna_ofa.problem import SUMMARY_KEY
from optuna_ofa.storage._transactions import locked, retrying, storage_errors
from optuna_ofa.storage._write import Inserter

_attributes = models.StudySystemAttributeModel.__table__
_trials = models.TrialModel.__table__
_Moment = datetime.datetime | None


def read_attributes(engine: sa.Engine, study_id: int, prefix: str = "") -> dict[str, Any]:
    """Return the system attributes of a study whose keys begin with a prefix."""
    query = sa.select(_attributes.c.key, _attributes.c.value_json).where(
        _attributes.c.study_id == study_id, _attributes.c.key.startswith(prefix)
    )
    with storage_errors(str(engine.url)), engine.connect() as connection:
        return {key: json.loads(text) for key, text in connection.execute(query)}


def write_attributes(engine: sa.Engine, study_id: int, attributes: Mapping[str, Any]) -> None:
    """Set system attributes of a study, all or none; see `Store.set_attributes`."""
    if attributes:
        retrying(
            lambda: _replace(engine, study_id, attributes),
            engine,
            len(attributes),
            what="attributes",
        )


def _replace(engine: sa.Engine, study_id: int, attributes: Mapping[str, Any]) -> None:
    with locked(engine, study_id) as connection:
        own = _attributes.c.study_id == study_id
        there = connection.execute(sa.select(_attributes.c.key).where(own)).scalars()
        for key in [key for key in there if key in attributes]:
            connection.execute(sa.delete(_attributes).where(own, _attributes.c.key == key))
        rows = [(study_id, key, json.dumps(value)) for key, value in attributes.items()]
        Inserter(connection).insert(_attributes, ("study_id", "key", "value_json"), rows)


def insert_summary(connection: sa.Connection, study_id: int, summary: Generation) -> None:
    """Add the summary of a generation, in a transaction that holds the study's lock."""
    own = (_attributes.c.study_id == study_id) & _attributes.c.key.startswith(SUMMARY_KEY)
    last = connection.execute(sa.select(sa.func.max(_attributes.c.key)).where(own)).scalar()
    row = {
        "study_id": study_id,
        "key": next_key([last] if last else []),
        "value_json": json.dumps(summary.to_dict()),
    }
    connection.execute(sa.insert(_attributes), row)


def read_times(engine: sa.Engine, study_id: int) -> list[tuple[int, _Moment, _Moment]]:
    """Return the number, the start and the end of each complete trial."""
    query = sa.select(_trials.c.number, _trials.c.datetime_start, _trials.c.datetime_complete)
    query = query.where(_trials.c.study_id == study_id, _trials.c.state == TrialState.COMPLETE)
    with storage_errors(str(engine.url)), engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]

"""Many attributes of a study at once, where a database would take a transaction for each."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.storage._open import storage_errors
from optuna_ofa.storage._transactions import locked, retrying
from optuna_ofa.storage._write import Inserter

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

_attributes = models.StudySystemAttributeModel.__table__


def set_study_attributes(study: SubnetStudy, attributes: Mapping[str, Any]) -> None:
    """Set system attributes of a study, in a database all of them or none.

    Args:
        study: The study.
        attributes: Values (JSON) by key; what is there is replaced.

    Raises:
        StorageError: If the database refuses.
    """
    tables = study._tables
    if tables is None:
        for key, value in attributes.items():
            study._storage.set_study_system_attr(study._study_id, key, value)
    elif attributes:
        engine, study_id = tables.engine, study._study_id
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


_trials = models.TrialModel.__table__
_Moment = datetime.datetime | None
_COLUMNS = (_trials.c.number, _trials.c.datetime_start, _trials.c.datetime_complete)


def seconds_of(study: SubnetStudy, numbers: Sequence[int]) -> NDArray[np.float64]:
    """When trials have finished, in seconds since the first of them was started.

    Args:
        study: The study.
        numbers: The trials, by their numbers.

    Returns:
        ``(n,)``; NaN where a trial has not finished or does not say when.
    """
    wanted = set(numbers)
    moments = {number: times for number, *times in _read(study) if number in wanted}
    begin = min((start for start, _ in moments.values() if start), default=None)
    ends = [moments.get(number, (None, None))[1] for number in numbers]
    return np.array([(e - begin).total_seconds() if begin and e else np.nan for e in ends])


def _read(study: SubnetStudy) -> list[tuple[int, _Moment, _Moment]]:
    if study._tables is None:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [(t.number, t.datetime_start, t.datetime_complete) for t in trials]
    engine = study._tables.engine
    query = sa.select(*_COLUMNS).where(
        _trials.c.study_id == study._study_id, _trials.c.state == TrialState.COMPLETE
    )
    with storage_errors(str(engine.url)), engine.connect() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query)]

"""When the trials of a study have finished."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.studies.storage._open import storage_errors

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy

_trials = models.TrialModel.__table__
_Moment = datetime.datetime | None
_COLUMNS = (_trials.c.number, _trials.c.datetime_start, _trials.c.datetime_complete)


def seconds_by_number(study: SubnetStudy) -> NDArray[np.float64]:
    """When trials have finished, in seconds since the first of them was started.

    Returns:
        ``(n,)`` by trial number; NaN where a trial has not finished or does not say when.
    """
    rows = _read(study)
    begin = min((start for _, start, _ in rows if start), default=None)
    seconds = np.full(max((number for number, *_ in rows), default=-1) + 1, np.nan)
    for number, _, completed in rows:
        if begin and completed:
            seconds[number] = (completed - begin).total_seconds()
    return seconds


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

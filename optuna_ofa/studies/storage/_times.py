"""When the trials of a study have finished."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
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

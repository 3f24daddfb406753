"""What runs in a study, and what has failed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import TrialState

from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.storage._encoding import decode_trials

_STATES = (TrialState.RUNNING, TrialState.FAIL)


class Unfinished(NamedTuple):
    """Trials of the space that have no values.

    Args:
        matrix: ``(n, n_genes)`` their subnets.
        numbers: ``(n,)`` trial numbers.
        running: ``(n,)`` which run; the others have failed.
        asked: ``(n,)`` which `SubnetStudy.ask_batch` has started, on predictions.
        abandoned: ``(n,)`` which have failed because their process died: nobody told anything.
        last_id: The last trial that was there before; 0 if there was none.
    """

    matrix: Matrix
    numbers: NDArray[np.int64]
    running: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    abandoned: NDArray[np.bool_]
    last_id: int

    @property
    def predictable(self) -> NDArray[np.bool_]:
        """``(n,)`` which no predictor is known to fail for."""
        return self.running | self.asked


def read_unfinished(study: Study, space: SearchSpace, tables: RDBStorage | None) -> Unfinished:
    """Look at what runs and has failed; read the finished trials afterwards, so none is missed."""
    last_id = 0
    if tables is None:
        trials = study.get_trials(deepcopy=False, states=_STATES)
    else:  # which does not read the finished trials
        last_id = _last_id(tables, study._study_id)
        trials = tables.get_all_trials(study._study_id, deepcopy=False, states=_STATES)
    matrix, good = decode_trials(space, trials)  # those that have no parameters yet are none
    trials = [trials[i] for i in np.flatnonzero(good)]
    running = np.array([trial.state == TrialState.RUNNING for trial in trials], dtype=bool)
    asked = np.array(["predicted" in trial.user_attrs for trial in trials], dtype=bool)
    told = np.array(["error" in trial.user_attrs for trial in trials], dtype=bool)
    numbers = np.array([trial.number for trial in trials], dtype=np.int64)
    return Unfinished(matrix[good], numbers, running, asked, asked & ~told & ~running, last_id)


def _last_id(tables: RDBStorage, study_id: int) -> int:
    table = models.TrialModel.__table__
    query = sa.select(sa.func.max(table.c.trial_id)).where(table.c.study_id == study_id)
    with tables.engine.connect() as connection:
        return connection.execute(query).scalar_one() or 0

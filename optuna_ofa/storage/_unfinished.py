"""The trials of a study that run, wait or have failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.storage._encoding import decode_trials

UNFINISHED = (TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING)


class Unfinished(NamedTuple):
    """Trials of the space that have no values.

    Args:
        matrix: ``(n, n_genes)`` the subnets of those that run or have failed.
        numbers: ``(n,)`` trial numbers.
        running: ``(n,)`` whether they run; the others have failed.
        asked: ``(n,)`` whether `SubnetStudy.ask_batch` has started them, on predictions.
        abandoned: ``(n,)`` whether they have failed because their process died.
        n_waiting: Number of trials that are enqueued and not started.
        last_id: The newest trial that was there before; 0 if there was none.
    """

    matrix: Matrix
    numbers: NDArray[np.int64]
    running: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    abandoned: NDArray[np.bool_]
    n_waiting: int
    last_id: int

    @property
    def predictable(self) -> NDArray[np.bool_]:
        """``(n,)`` whether no predictor is known to fail for them."""
        return self.running | self.asked

    @staticmethod
    def of(space: SearchSpace, trials: Sequence[FrozenTrial], last_id: int) -> Unfinished:
        """Return the trials of the space among those in a state of `UNFINISHED`."""
        n_waiting = sum(trial.state == TrialState.WAITING for trial in trials)
        trials = [trial for trial in trials if trial.state != TrialState.WAITING]
        matrix, good = decode_trials(space, trials)  # those without parameters yet are none
        trials = [trials[i] for i in np.flatnonzero(good)]
        running = np.array([trial.state == TrialState.RUNNING for trial in trials], dtype=bool)
        asked = np.array(["predicted" in trial.user_attrs for trial in trials], dtype=bool)
        failed = np.array(["error" in trial.user_attrs for trial in trials], dtype=bool)
        return Unfinished(
            matrix=matrix[good],
            numbers=np.array([trial.number for trial in trials], dtype=np.int64),
            running=running,
            asked=asked,
            abandoned=asked & ~failed & ~running,
            n_waiting=n_waiting,
            last_id=last_id,
        )

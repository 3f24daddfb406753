"""The trials of a study that are running, waiting or failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import ASKED, RELEASED, shown
from optuna_ofa.space import Matrix, SearchSpace, is_choice
from optuna_ofa.storage._encoding import decode_trials

UNFINISHED = (TrialState.RUNNING, TrialState.FAIL, TrialState.WAITING)


class Unfinished(NamedTuple):
    """Trials of the space that have no values.

    Args:
        matrix: ``(n, n_genes)`` the subnets of those that are running or failed.
        numbers: ``(n,)`` trial numbers.
        running: ``(n,)`` whether they are running; the others have failed.
        asked: ``(n,)`` whether `SubnetStudy.ask_batch` has started them, based on predictions.
        abandoned: ``(n,)`` whether they failed because their process died, or were released.
        waiting: ``(m, n_genes)`` the subnets of trials waiting to run.
        retries: Waiting trials that are Optuna's retries of those of `SubnetStudy.ask_batch`.
        n_enqueued: Number of waiting trials that are not retries.
        last_id: The newest trial that existed before; below all others if there was none.
    """

    matrix: Matrix
    numbers: NDArray[np.int64]
    running: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    abandoned: NDArray[np.bool_]
    waiting: Matrix
    retries: Sequence[FrozenTrial]
    n_enqueued: int
    last_id: int

    @property
    def predictable(self) -> NDArray[np.bool_]:
        """``(n,)`` whether no predictor is known to fail for them."""
        return self.running | self.asked

    @staticmethod
    def of(
        space: SearchSpace, trials: Sequence[FrozenTrial], lost: Collection[int], last_id: int
    ) -> Unfinished:
        """Return the trials of the space among those in a state of `UNFINISHED`.

        Args:
            space: The space.
            trials: The trials.
            lost: Ids of those that have failed because their process died.
            last_id: As above.
        """
        waiting = [t for t in trials if t.state == TrialState.WAITING]
        waiting = [trial for trial in waiting if flaw_of_fixed(space, trial) is None]
        trials = [trial for trial in trials if trial.state != TrialState.WAITING]
        matrix, good = decode_trials(space, trials)  # those still without parameters are left out
        trials = [trials[i] for i in np.flatnonzero(good)]
        running = np.array([trial.state == TrialState.RUNNING for trial in trials], dtype=bool)
        asked = np.array(["predicted" in trial.user_attrs for trial in trials], dtype=bool)
        is_lost = np.array([t._trial_id in lost or is_released(t) for t in trials], dtype=bool)
        rows, is_ours = decode_trials(space, waiting)
        return Unfinished(
            matrix=matrix[good],
            numbers=np.array([trial.number for trial in trials], dtype=np.int64),
            running=running,
            asked=asked,
            abandoned=asked & is_lost,
            waiting=rows[is_ours],
            retries=[
                trial
                for trial, ours in zip(waiting, is_ours.tolist(), strict=True)
                if ours and is_retry(trial) and ASKED in trial.system_attrs
            ],
            n_enqueued=sum(not is_retry(trial) for trial in waiting),
            last_id=last_id,
        )


def flaw_of_fixed(space: SearchSpace, trial: FrozenTrial) -> str | None:
    """Return why a waiting trial cannot run: a fixed parameter is none of the space's choices."""
    for name, value in trial.system_attrs.get("fixed_params", {}).items():
        known = space.distributions.get(name)
        if known is not None and not is_choice(value, known.choices):
            return f"its {name} must be one of {known.choices}, but is {shown(value)}"
    return None


def is_retry(trial: FrozenTrial) -> bool:
    """Return whether a trial is Optuna's retry of one whose process died."""
    return "failed_trial" in trial.system_attrs


def is_released(trial: FrozenTrial) -> bool:
    """Return whether the caller of `SubnetStudy.ask_batch` gave a subnet back unmeasured."""
    return trial.state == TrialState.FAIL and trial.user_attrs.get("error") == RELEASED


def may_be_lost(trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the ids of failed trials without a stored reason."""
    return [
        trial._trial_id
        for trial in trials
        if trial.state == TrialState.FAIL and "error" not in trial.user_attrs
    ]

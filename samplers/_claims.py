"""Claims, which keep two trials of a study from evaluating the same subnet in any process.

Optuna creates a trial first and requests its parameters afterwards, so only the trial itself can
announce what it is going to evaluate. Before a subnet is suggested to it, the trial writes a claim,
and then looks for other trials with the same subnet. If two trials claim a subnet at the same
moment, at least the later one sees the other, in any storage of Optuna, so they never both go
ahead.
"""

from __future__ import annotations

import datetime
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.problem import CLAIM
from optuna_ofa.samplers._trials import FinishedTrials
from optuna_ofa.space import Matrix, SearchSpace, keys_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

# How long a trial waits for a later one, which withdraws or goes ahead within milliseconds.
_PAUSE_S, _N_PAUSES = 0.01, 200
_N_DISPUTES = 50
# A trial without a subnet is expected to claim one, unless it is older than this.
_NEW = datetime.timedelta(seconds=10)
# With this many times more subnets than trials, some must be left, and nothing is read to check.
_FEWER = 10


def row_of(space: SearchSpace, trial: FrozenTrial) -> Matrix | None:
    """Return the canonical row of a trial, ``(1, n_genes)``; None if it is not of the space.

    For a trial without all of its parameters it is the row of its fixed ones
    (`Study.enqueue_trial`), or its claim while it has not finished.
    """
    try:
        return space.from_params([{**trial.system_attrs.get("fixed_params", {}), **trial.params}])
    except InvalidSubnetError:  # of another objective, or from before a restriction
        return None if trial.state.is_finished() else claimed(space, trial)


def claimed(space: SearchSpace, trial: FrozenTrial) -> Matrix | None:
    """Return the row that a trial has claimed, ``(1, n_genes)``; None without a claim."""
    genes = trial.system_attrs.get(CLAIM)
    if genes is None or len(genes) != len(space.genes):
        return None
    try:
        return space.check(np.array([genes], dtype=np.int16))
    except InvalidSubnetError:
        return None


class Claims:
    """The claims of the trials of a study, as one sampler sees them.

    Args:
        space: The subnets.
        counts: Tells whether a finished trial counts as an evaluation of its subnet.
    """

    def __init__(self, space: SearchSpace, counts: Callable[[FrozenTrial], bool]) -> None:
        self._space, self._counts = space, counts
        self._finished = FinishedTrials(warns=False)
        self._keys: set[int] = set()  # of the finished trials that were read
        self._seen: list[FrozenTrial] = []  # the others, which the sampler knows
        self._disputes: Counter[int] = Counter()  # by key
        self._last: Sequence[FrozenTrial] = ()  # as they were read last

    def see(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of the trials that the sampler has read before its next proposal."""
        self._seen += self._finished.new(trials)
        self._last = trials

    def make(self, study: Study, trial: FrozenTrial, row: Matrix) -> bool | None:
        """Claim a subnet for a trial.

        If two trials claim it at once, the one with the lower number goes ahead, unless the other
        has already done so.

        Args:
            study: The study.
            trial: A running trial.
            row: The subnet, ``(1, n_genes)``.

        Returns:
            Whether the trial has it; None if another trial claims it but may still withdraw.
        """
        key = _key(row)
        if key in self._keys or any(map(_is_settled, self._rivals(self._last, trial, key))):
            return False
        study._storage.set_trial_system_attr(trial._trial_id, CLAIM, row[0].tolist())
        for _ in range(_N_PAUSES):
            rivals = self._rivals(self._trials(study), trial, key)
            if key in self._keys or any(map(_is_settled, rivals)):
                return False
            if not rivals:
                return True
            time.sleep(_PAUSE_S)
            if min(rival.number for rival in rivals) < trial.number:
                break
        self._disputes[key] += 1  # a trial whose process died claims it for ever
        return None if self._disputes[key] < _N_DISPUTES else False

    def all_taken(self, study: Study, n_left: Callable[[set[int]], int], n: int) -> bool:
        """Return whether every subnet is or will be evaluated, and no trial is waiting to run.

        Args:
            study: The study.
            n_left: Returns how many subnets there are besides those with these keys.
            n: Number of subnets; a study with fewer trials is not read.
        """
        if self._last and n > _FEWER * len(self._last):
            return False
        trials = self._trials(study)
        if len(trials) < n or any(t.state == TrialState.WAITING for t in trials):
            return False
        self._count(self._seen)
        self._seen = []
        unfinished = self._finished.unfinished(trials)
        rows = [self._row(trial) for trial in unfinished]
        keys = self._keys.union(_key(row) for row in rows if row is not None)
        n_new = sum(row is None and _is_new(t) for row, t in zip(rows, unfinished, strict=True))
        return n_left(keys) <= n_new

    def _trials(self, study: Study) -> Sequence[FrozenTrial]:
        """Read the current trials of a study."""
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        self._count(self._finished.new(trials))
        self._last = trials
        return trials

    def _count(self, finished: Sequence[FrozenTrial]) -> None:
        rows = (self._row(trial) for trial in finished if self._counts(trial))
        self._keys.update(_key(row) for row in rows if row is not None)

    def _rivals(
        self, trials: Sequence[FrozenTrial], trial: FrozenTrial, key: int
    ) -> list[FrozenTrial]:
        """Return the other trials of a subnet that have not finished."""
        others = (t for t in self._finished.unfinished(trials) if t.number != trial.number)
        return [t for t in others if (row := self._row(t)) is not None and _key(row) == key]

    def _row(self, trial: FrozenTrial) -> Matrix | None:
        return row_of(self._space, trial)


def _is_new(trial: FrozenTrial) -> bool:
    started = trial.datetime_start
    return started is not None and datetime.datetime.now() - started < _NEW


def _key(row: Matrix) -> int:
    return int(keys_of(row)[0])


def _is_settled(trial: FrozenTrial) -> bool:
    """Return whether a trial will evaluate its subnet, no matter what others claim."""
    if trial.state != TrialState.RUNNING or CLAIM not in trial.system_attrs:
        return True
    fixed = trial.system_attrs.get("fixed_params", {})  # which are suggested before the others
    return any(not d.single() and name not in fixed for name, d in trial.distributions.items())

"""The trials of a study as arrays, each read once."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import TrialState

from optuna_ofa.problem import MEASURED, PREDICTED, Evaluated, PassedOver, flaw_of
from optuna_ofa.space import Matrix, SearchSpace, keys_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


class FinishedTrials:
    """Returns each finished trial of a study once, no matter which process ran it.

    Trials that cannot be read are left out, with one warning.
    """

    def __init__(self, *, warns: bool = True) -> None:
        self._passed_over = PassedOver() if warns else None
        self._given: set[int] = set()
        self._first_open = 0

    def fork(self) -> FinishedTrials:
        """Return an independent copy."""
        other = copy.copy(self)
        other._given = set(self._given)
        return other

    def new(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that have finished since the last call, given all in their order."""
        finished, flaws = [], {}
        for trial in trials[self._first_open :]:
            if trial.number not in self._given and trial.state.is_finished():
                self._given.add(trial.number)
                flaw = flaw_of(trial)
                if flaw is None:
                    finished.append(trial)
                else:
                    flaws[trial.number] = flaw
        if self._passed_over is not None:
            self._passed_over.warn(None, flaws)
        while self._first_open in self._given:  # trials before this one need not be read again
            self._given.discard(self._first_open)
            self._first_open += 1
        return finished

    def unfinished(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Return the trials that have not finished."""
        trials = [t for t in trials[self._first_open :] if not t.state.is_finished()]
        return [trial for trial in trials if flaw_of(trial) is None]


Genotype = Callable[["FrozenTrial"], Matrix | None]
ConstraintsOf = Callable[["FrozenTrial"], Mapping[str, float]]


class MeasuredTrials:
    """The trials of a study that are not predictions and whose subnets are of the space.

    Args:
        space: The subnets.
        genotype: Returns the row of a trial, None where it is not of the space.
        constraints_of: Returns the constraints of a trial by name, above 0 where violated.
    """

    def __init__(
        self, space: SearchSpace, genotype: Genotype, constraints_of: ConstraintsOf
    ) -> None:
        self._genotype, self._constraints_of = genotype, constraints_of
        self._finished = FinishedTrials()
        self._nothing: Matrix = np.empty((0, len(space.genes)), dtype=np.int16)
        self._rows: list[Matrix] = []
        self._values: list[Sequence[float]] = []
        self._excess: list[Mapping[str, float]] = []
        self._numbers: list[int] = []
        self._failed: list[Matrix] = []
        self._running: dict[int, Matrix] = {}  # by trial number
        self._keys: set[int] = set()  # of measured and failed subnets

    def read(self, trials: Sequence[FrozenTrial]) -> None:
        """Read the new trials.

        Args:
            trials: All trials of the study in their order.
        """
        for trial in self._finished.new(trials):
            self._running.pop(trial.number, None)
            row = self._genotype(trial)
            # a prediction is neither learnt from nor counted as a measurement
            if row is None or trial.user_attrs.get("kind") == PREDICTED:
                continue
            self._keys.update(keys_of(row).tolist())
            if trial.state == TrialState.COMPLETE and np.isfinite(trial.values).all():
                self._rows.append(row)
                self._values.append(trial.values)
                self._excess.append(dict(self._constraints_of(trial)))
                self._numbers.append(trial.number)
            else:
                self._failed.append(row)
        for trial in self._finished.unfinished(trials):
            if trial.state == TrialState.RUNNING:
                row = self._genotype(trial)  # None until it has claimed one
                if row is not None:
                    self._running[trial.number] = row

    def assign(self, number: int, row: Matrix) -> None:
        """Assign a subnet to a running trial, which the storage does not have yet."""
        self._running[number] = row

    def is_taken(self, row: Matrix) -> bool:
        """Return whether a subnet, ``(1, n_genes)``, was measured, has failed or runs."""
        (key,) = keys_of(row).tolist()
        return key in self._keys or key in keys_of(self.pending()).tolist()

    def constraint_names(self) -> tuple[str, ...]:
        """Return the names of all constraints that some trial has set, the oldest first."""
        return tuple(dict.fromkeys(name for one in self._excess for name in one))

    def measured(self, n_objectives: int, names: Sequence[str]) -> Evaluated:
        """Return the measured subnets.

        Args:
            n_objectives: How many values each has.
            names: Constraints in the order of the columns.
        """
        n = len(self._rows)
        excess = [[one.get(name, np.nan) for name in names] for one in self._excess]
        return Evaluated.of(
            self._joined(self._rows),
            np.array(self._values, dtype=float).reshape(n, n_objectives),
            np.array(excess, dtype=float).reshape(n, len(names)),
            kind=MEASURED,
            numbers=self._numbers,
        )

    def pending(self) -> Matrix:
        """Return the subnets of running trials, ``(n, n_genes)``."""
        return self._joined(list(self._running.values()))

    def failed(self) -> Matrix:
        """Return the subnets of failed and pruned trials, ``(n, n_genes)``."""
        return self._joined(self._failed)

    def _joined(self, rows: list[Matrix]) -> Matrix:
        return np.concatenate([self._nothing, *rows])

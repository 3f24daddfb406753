"""Callbacks of searches and measurements, with Optuna's signature."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

import numpy as np
from optuna.trial import FrozenTrial

from optuna_ofa.fronts import KnownFront, evenly
from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.storage import Store
from optuna_ofa.studies._engine import Engine

# of an `optuna.Study`, which a callback of this package may take to be a `SubnetStudy`
TrialCallback = Callable[[Any, FrozenTrial], None]
CallbacksFor = Literal["best", "all"]
_N_BEST = 5  # of a generation: at the start half of its subnets extend the front


class Stoppable(Protocol):
    """A study whose callbacks may stop what it does."""

    _stop_flag: bool  # of Optuna

    @property
    def store(self) -> Store:
        """Its trials."""

    def stoppable(self) -> AbstractContextManager[None]:
        """Let callbacks stop the search."""


class Searched(Stoppable, Protocol):
    """The study that is searched."""

    @property
    def problem(self) -> Problem:
        """What is searched for."""

    @property
    def engine(self) -> Engine:
        """Its search."""


def call_for(
    study: Stoppable, callbacks: Sequence[TrialCallback], trials: Iterable[FrozenTrial]
) -> None:
    """Call callbacks in turn for one trial after another."""
    for trial in trials:
        with study.stoppable():
            for callback in callbacks:
                callback(study, trial)


class MeasurementWatch:
    """Ends the measurements of one call early, and calls callbacks for its trials.

    Args:
        study: The study.
        callbacks: Called with the study and each trial.
        timeout: Seconds after which no measurement begins; None is no limit.
    """

    @classmethod
    def of(
        cls, study: Stoppable, callbacks: Iterable[TrialCallback] | None, timeout: float | None
    ) -> MeasurementWatch | None:
        """Return what watches a call; None where nothing can end it early."""
        given = list(callbacks or ())
        return cls(study, given, timeout) if given or timeout is not None else None

    def __init__(
        self, study: Stoppable, callbacks: Sequence[TrialCallback], timeout: float | None
    ) -> None:
        self._study, self._callbacks = study, callbacks
        self._end = None if timeout is None else time.monotonic() + timeout
        study._stop_flag = False

    def reason(self) -> Literal["time over", "stopped"] | None:
        """Return why no further measurement begins; None if there is no reason."""
        if self._study._stop_flag:
            return "stopped"
        return "time over" if self._end is not None and time.monotonic() >= self._end else None

    def is_over(self) -> bool:
        """Return whether no further measurement begins."""
        return self.reason() is not None

    def wrote(self, numbers: Sequence[int]) -> None:
        """Call the callbacks for trials that were written."""
        if self._callbacks:
            call_for(self._study, self._callbacks, self._study.store.trials(numbers))


class TrialCallbacks:
    """Calls the callbacks of one search after each of its generations.

    Args:
        study: The study, which is passed to them.
        callbacks: The callbacks, which are called in turn for one trial after another.
        which: The trials: ``"best"`` are at most five of a generation that extend the predicted
            front of the study, or its last one if none does; ``"all"`` are all that it wrote.
    """

    def __init__(
        self, study: Searched, callbacks: Iterable[TrialCallback], which: CallbacksFor
    ) -> None:
        self._study, self._callbacks, self._which = study, list(callbacks), which
        self._front = KnownFront(study.problem)
        self._n_seen = 0  # trials of the study that are part of the front

    def __call__(self) -> None:
        """Call the callbacks for the trials that the last generation of this process wrote."""
        if not self._callbacks:
            return
        call_for(self._study, self._callbacks, self._study.store.trials(self._numbers()))

    def _numbers(self) -> Sequence[int]:
        """Return the numbers of the trials, ascending."""
        engine = self._study.engine
        own = engine.own()
        if self._which == "all" or not len(own.numbers):
            return list(own.numbers.tolist())
        known = engine.known().select(slice(self._n_seen, None))
        self._n_seen += len(known.numbers)
        others = known.select(~np.isin(known.numbers, own.numbers))
        extends = self._front.extended_by(own, others)
        self._front.add(known)
        return self._spread(own.select(extends)) or [int(own.numbers[-1])]

    @staticmethod
    def _spread(best: Evaluated) -> Sequence[int]:
        """Return the numbers of a few trials along the front, including its ends."""
        along = best.numbers[np.argsort(best.values[:, -1], kind="stable")]
        return sorted(along[evenly(len(along), _N_BEST)].tolist()) if len(along) else []

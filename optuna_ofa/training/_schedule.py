"""The phases of a run in order, and what happens to them when a run is made longer."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, replace
from typing import Any

import numpy as np

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.training._recipe import Phase


class Schedule:
    """The phases of a run, one after the other.

    Args:
        phases: The phases, at least one.
    """

    def __init__(self, phases: Iterable[Phase]) -> None:
        self.phases = tuple(phases)
        if not self.phases:
            raise InvalidArgumentError("`recipe.phases` must give at least one, but gave none.")
        self.ends: list[int] = np.cumsum([phase.n_steps for phase in self.phases]).tolist()

    @property
    def n_steps(self) -> int:
        """Steps of the whole run."""
        return self.ends[-1]

    def index(self, step: int) -> int:
        """Return the index of the phase of a step, from 0; the last one if the run is over."""
        return next((i for i, end in enumerate(self.ends) if step < end), len(self.ends) - 1)

    def first(self, phase: int) -> int:
        """Return the first step of a phase, from 0."""
        return self.ends[phase] - self.phases[phase].n_steps

    def relative_rate(self, phase: int) -> float:
        """Return the peak learning rate of a phase relative to the highest of all phases."""
        return self.phases[phase].learning_rate / max(p.learning_rate for p in self.phases)

    def to_list(self) -> list[tuple[Any, ...]]:
        """Return numbers and text for a checkpoint: the arguments of each phase."""
        return [astuple(phase) for phase in self.phases]

    def continuing(self, written: Schedule, step: int) -> Schedule:
        """Return the schedule of a run that goes on with a checkpoint.

        If it is longer than it was, phases that are over stay as they were. The phase of the
        checkpoint (the last one, if the run was finished) and those after it get the remaining
        steps, in the proportions of this schedule.

        Args:
            written: The schedule in the checkpoint, with no more steps.
            step: Steps done.
        """
        if written.n_steps == self.n_steps:
            return written
        current = written.index(step)
        start = written.first(current)
        shares = np.cumsum([phase.n_steps for phase in self.phases[current:]])
        ends = np.round((self.n_steps - start) * shares / shares[-1]).astype(int)
        lengths = np.diff(np.maximum(ends, step - start), prepend=0).tolist()
        rest = zip(self.phases[current:], lengths, strict=True)
        return Schedule((*written.phases[:current], *(_lasting(p, n) for p, n in rest)))


def _lasting(phase: Phase, n_steps: int) -> Phase:
    n_warmup = min(phase.n_warmup_steps, n_steps - 1)
    return replace(phase, n_steps=n_steps, n_warmup_steps=n_warmup)


def learning_rate(peak: float, phase: Phase, step: int) -> float:
    """Return the learning rate of a step of a phase, from 0: a linear rise, then a cosine."""
    if step < phase.n_warmup_steps:
        return peak * (step + 1) / (phase.n_warmup_steps + 1)
    done = (step - phase.n_warmup_steps) / (phase.n_steps - phase.n_warmup_steps)
    return peak * (1 + math.cos(math.pi * done)) / 2

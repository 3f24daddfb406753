"""Callbacks of a training run, and the end of a run before its last step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Stopped = Literal["timeout", "callback"]


@dataclass(frozen=True)
class TrainingStep:
    """What the callbacks of `train` are called with, after each step.

    Args:
        step: Steps done, over all phases; the first call of a new run has 1.
        n_steps: Steps of the whole run.
        phase: Name of the phase.
        loss: Loss of the step, the mean over its runs and over all processes.
        learning_rate: The learning rate that the step was done with.
        top1: Accuracy of each followed subnet in percent by its name (``"smallest"``,
            ``"largest"``, ``"random 1"``, ...); empty if they were not evaluated after this step.
        stop: Ends the run after this step; see `train`.
    """

    step: int
    n_steps: int
    phase: str
    loss: float
    learning_rate: float
    top1: Mapping[str, float]
    stop: Callable[[], None]


TrainingCallback = Callable[[TrainingStep], None]


class Watch:
    """The callbacks and the time limit of one call of `train`; time counts from its construction.

    Args:
        callbacks: The callbacks, which are called in turn.
        timeout: Seconds after which no further step starts; None for no limit.
    """

    def __init__(self, callbacks: Iterable[TrainingCallback], timeout: float | None) -> None:
        self._callbacks = list(callbacks)
        self._end = None if timeout is None else time.monotonic() + timeout
        self._is_stopped = False

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do after a step."""
        return bool(self._callbacks) or self._end is not None

    def stop(self) -> None:
        """End the run after the present step."""
        self._is_stopped = True

    def after(self, step: TrainingStep) -> Stopped | None:
        """Call the callbacks; return why the run ends here, or None."""
        for callback in self._callbacks:
            callback(step)
        if self._is_stopped:
            return "callback"
        return "timeout" if self._end is not None and time.monotonic() >= self._end else None

"""Telling how much is done, and for how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[int, int, float], None]
# Seconds between two reports.
_INTERVAL = 0.5


class Meter:
    """Counts turns of networks and reports them as graphs.

    Args:
        n_done: Graphs that were done before.
        n_left: Graphs that are to be done.
        turns: Turns that each of them takes.
        progress: Called with graphs done, graphs in all, and the seconds that the rest may take.
    """

    def __init__(self, n_done: int, n_left: int, turns: int, progress: Progress) -> None:
        self._before, self._left, self._turns = n_done, n_left, turns
        self._progress = progress
        self._count = 0
        self._start = self._reported = time.monotonic()

    def tick(self) -> None:
        """One turn of one network is over."""
        self._count += 1
        now = time.monotonic()
        if now - self._reported > _INTERVAL:
            self._reported = now
            self._report(min(self._count / self._turns, self._left))

    def finish(self, n_graphs: int) -> None:
        """So many graphs are done, whatever turns they took."""
        self._count = n_graphs * self._turns
        self._report(n_graphs)

    def _report(self, done: float) -> None:
        left = (time.monotonic() - self._start) / done * (self._left - done) if done else 0.0
        self._progress(self._before + int(done), self._before + self._left, left)

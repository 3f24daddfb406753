"""The length of one call of `search`."""

from __future__ import annotations

import time
from collections.abc import Callable

from optuna_ofa._arguments import LARGEST
from optuna_ofa.exceptions import InvalidArgumentError


class Budget:
    """The evaluations and the time left to a search; time counts from its construction.

    Args:
        n_trials: Evaluations that this call adds; None for no such limit.
        until: Total evaluations of the study, by any process; None for no such limit.
        timeout: Seconds after which no new generation starts; None for no such limit.

    Raises:
        InvalidArgumentError: If there is no limit, or both ``n_trials`` and ``until``.
    """

    def __init__(
        self, *, n_trials: int | None, until: int | None = None, timeout: float | None = None
    ) -> None:
        if n_trials is not None and until is not None:
            raise InvalidArgumentError(
                f"`until` must be None with `n_trials`, which adds to the existing trials, but "
                f"got {until}."
            )
        if n_trials is None and until is None and timeout is None:
            raise InvalidArgumentError(
                "`n_trials` (to add), `until` (in total) or `timeout` (in seconds) must be given, "
                "but got None."
            )
        self._n_trials, self._until = n_trials, until
        self._end = None if timeout is None else time.monotonic() + timeout
        self._n_added = 0

    def seconds_left(self) -> float | None:
        """Return the seconds left, at least 0; None without a limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def room(self, n_evaluated: Callable[[], int]) -> int | None:
        """Return how many evaluations are missing to the total; None without a total.

        Args:
            n_evaluated: Returns how many the study has.
        """
        return None if self._until is None else max(0, self._until - n_evaluated())

    def left(self, n_evaluated: Callable[[], int]) -> int:
        """Return how many evaluations may follow; 0 if the search should end."""
        if self.seconds_left() == 0:
            return 0
        if self._n_trials is not None:
            return max(0, self._n_trials - self._n_added)
        room = self.room(n_evaluated)
        return LARGEST if room is None else room

    def spend(self, n_added: int) -> None:
        """Count evaluations that this call has added."""
        self._n_added += n_added

    def bar(self, n_evaluated: Callable[[], int]) -> tuple[int | None, int]:
        """Return total and start of a progress bar, which runs to ``until`` if that is given."""
        if self._until is None:
            return self._n_trials, 0
        return self._until, min(self._until, n_evaluated())

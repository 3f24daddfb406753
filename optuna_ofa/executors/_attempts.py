"""Which task is tried next, and which are given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from optuna_ofa.executors._executor import Executor

Item = TypeVar("Item")


@dataclass(eq=False)
class Attempt(Generic[Item]):
    """A task, and what has happened to it.

    Args:
        index: Its place among the tasks.
        item: The argument of the function.
        n_before: How many tasks had been done when this was first tried.
        n_lost: How many of its workers were lost.
        alone: Whether it is tried while no other task is.
        contents: The shared values by digest that come with it.
        lacked: The digests of those that its workers have lacked.
        executor: What it was last submitted to.
    """

    index: int
    item: Item
    n_before: int
    n_lost: int = 0
    alone: bool = False
    contents: dict[str, bytes] = field(default_factory=dict)
    lacked: set[str] = field(default_factory=set)
    executor: Executor | None = None


class Attempts(Generic[Item]):
    """The tasks that are not done.

    A process pool breaks as a whole: which of its tasks is to blame is not known. So the last try
    of a task that such a pool has lost is made while no other task is tried.

    Args:
        items: The arguments of the function, each taken when it is its turn.
        retries: How many times a task is tried again.
    """

    def __init__(self, items: Iterable[Item], retries: int) -> None:
        self._items, self._retries = enumerate(items), retries
        self._again: deque[Attempt[Item]] = deque()
        self._alone: deque[Attempt[Item]] = deque()
        self.failed: list[Attempt[Item]] = []
        self.n_done = 0

    def next(self, *, is_idle: bool) -> Attempt[Item] | None:
        """Return the task to submit; None if there is none, or none as long as others run."""
        if self._again:
            return self._again.popleft()
        if self._alone:
            return self._alone.popleft() if is_idle else None
        for index, item in self._items:
            return Attempt(index, item, self.n_done)
        return None

    def again(self, attempt: Attempt[Item]) -> None:
        """Try a task again that was not lost."""
        self._again.appendleft(attempt)

    def lost(self, attempt: Attempt[Item], error: BaseException) -> bool:
        """Try a task again whose worker was lost, or give it up.

        Returns:
            False if there is no hope: a second task is given up, and none at all has been done
            during its tries.
        """
        attempt.n_lost += 1
        if attempt.n_lost > self._retries:
            self.failed.append(attempt)
            return self.n_done > attempt.n_before or len(self.failed) < 2
        attempt.alone = attempt.n_lost == self._retries and isinstance(error, BrokenExecutor)
        (self._alone if attempt.alone else self._again).append(attempt)
        return True

    def waiting(self) -> list[Attempt[Item]]:
        """Return the tasks that were given up, and those that wait for another try."""
        return [*self.failed, *self._again, *self._alone]

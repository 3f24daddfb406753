"""An executor, and the new pool in its place once it has broken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError
from optuna_ofa.executors._executor import Executor
from optuna_ofa.executors._lost import is_closed
from optuna_ofa.executors._pool import end_pool, is_reused, renewed

_OF_A_FUTURE = ("result", "cancel", "add_done_callback")


class Engine:
    """Submits tasks to an executor; to a new pool with the same settings if it has broken.

    Args:
        executor: The caller's executor, which is never shut down here.
    """

    def __init__(self, executor: Executor) -> None:
        self._given = self.executor = executor

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Submit a task.

        Raises:
            BrokenExecutor: If the executor has broken, and so has the new one in its place.
            MeasurementError: If it takes no tasks, because it was shut down for example.
            InvalidArgumentError: If it returns something else than a future.
        """
        try:
            future = self.executor.submit(function, *args)
        except BrokenExecutor:
            if not self.renew(self.executor):
                raise
            future = self.executor.submit(function, *args)
        except Exception as error:
            if not is_closed(error):
                raise
            raise MeasurementError(f"`executor` takes no tasks: {error}.") from error
        if not all(callable(getattr(future, name, None)) for name in _OF_A_FUTURE):
            raise InvalidArgumentError(
                f"`executor` must return futures with `result`, `cancel` and `add_done_callback` "
                f"from `submit`, but got {future!r:.100}."
            )
        return future

    def renew(self, broken: Executor) -> bool:
        """Replace a broken pool, once; return False if that is not possible."""
        if broken is not self.executor:
            return True
        new = renewed(broken)
        if new is None:
            return False
        self.close()
        self.executor = new
        return True

    def close(self, *, at_once: bool = False) -> None:
        """Free the pool that was started here; ``at_once``: without waiting for its tasks."""
        pool = self.executor
        if pool is self._given or is_reused(pool):
            return
        if at_once:
            end_pool(pool)
        else:
            pool.shutdown(wait=True)

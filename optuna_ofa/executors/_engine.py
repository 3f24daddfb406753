"""An executor, and the new pool in its place once it has broken."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.executors._executor import Executor
from optuna_ofa.executors._pool import end_pool, is_reused, renewed


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
        """
        try:
            return self.executor.submit(function, *args)
        except BrokenExecutor:
            if not self.renew(self.executor):
                raise
            return self.executor.submit(function, *args)
        except RuntimeError as error:
            raise MeasurementError(f"`executor` takes no tasks: {error}.") from error

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

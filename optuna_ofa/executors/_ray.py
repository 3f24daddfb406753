"""Ray's tasks behind the interface of `concurrent.futures`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

from optuna_ofa._imports import try_import

_ray = try_import("ray", "ray")


class RayExecutor:
    """An executor whose workers are those of a Ray cluster.

    Call ``ray.init(...)`` first to connect to a cluster; otherwise Ray starts one on this machine::

        executor = RayExecutor(num_cpus=1, num_gpus=1)
        optuna_ofa.evaluate(supernet, subnets, loader, settings, executor=executor)

    Args:
        **options: Those of ``ray.remote``: what a task needs (``num_cpus``, ``num_gpus``,
            ``resources``), the ``runtime_env`` of its worker, and so on. ``max_retries`` is 0
            unless it is given: who submits tries lost tasks again.

    Raises:
        MissingDependencyError: If ``ray`` is not installed.
    """

    def __init__(self, **options: Any) -> None:
        self._ray = _ray.check()
        self._remote = self._ray.remote(_call).options(**{"max_retries": 0, **options})

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a task, and return its future result; to cancel that is to cancel the task."""
        task = self._remote.remote(function, args, kwargs)

        def cancel(future: Future[Any]) -> None:
            if future.cancelled():
                self._ray.cancel(task)

        future = cast("Future[Any]", task.future())
        future.add_done_callback(cancel)
        return future

    def shutdown(self, wait: bool = True) -> None:
        """Do nothing: who started the cluster ends it, by ``ray.shutdown()``."""


def _call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)

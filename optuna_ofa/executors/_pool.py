"""Process pools: our own of spawned processes, and new ones in place of broken ones."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from types import ModuleType
from typing import Any, cast

from optuna_ofa.executors._executor import Executor

# what the constructors of process pools take, and under which names they keep it
_OF_PYTHON = ("max_workers", "mp_context", "initializer", "initargs", "max_tasks_per_child")
_OF_LOKY = ("max_workers", "context", "timeout", "initializer", "initargs", "env")


@contextlib.contextmanager
def spawn_pool(n: int, *, threads: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of spawned processes, which end with the block.

    A block that raises, on Ctrl-C for example, ends them at once. They end by themselves if this
    process is killed.

    Args:
        n: Number of processes.
        threads: Threads of torch in each of them; None leaves torch's own number.
    """
    # a forked process cannot use CUDA, and may hang in torch
    pool = ProcessPoolExecutor(n, get_context("spawn"), initializer=_start, initargs=(threads,))
    try:
        yield pool
    except BaseException:
        end_pool(pool)
        raise
    pool.shutdown(cancel_futures=True)


def end_pool(pool: Any) -> None:
    """End the processes of a pool of Python or loky without waiting for their tasks."""
    for process in list((getattr(pool, "_processes", None) or {}).values()):
        process.terminate()
    pool.shutdown(wait=True)


def renewed(executor: Executor) -> Executor | None:
    """Return a new pool with the settings of a broken one; None for another engine."""
    if isinstance(executor, ProcessPoolExecutor):
        return ProcessPoolExecutor(**_settings(executor, _OF_PYTHON))
    loky = _loky_of(executor)
    return None if loky is None else _renewed_loky(executor, sys.modules[loky])


def is_reused(executor: Executor) -> bool:
    """Return whether an executor is loky's own, which serves later calls too."""
    return any(base.__name__ == "_ReusablePoolExecutor" for base in type(executor).__mro__)


def _loky_of(executor: Executor) -> str | None:
    """Return the name of loky's package, of which joblib has a copy; None for another engine."""
    for base in type(executor).__mro__:
        package, loky, _ = f"{base.__module__}.".partition("loky.")
        if loky and package in ("", "joblib.externals."):
            return package + "loky"
    return None


def _renewed_loky(executor: Executor, loky: ModuleType) -> Executor:
    settings = _settings(executor, _OF_LOKY)
    if is_reused(executor):
        return cast(Executor, loky.get_reusable_executor(**settings))
    return cast(Executor, loky.ProcessPoolExecutor(**settings))


def _settings(executor: Executor, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(executor, f"_{name}") for name in names if hasattr(executor, f"_{name}")}


def _start(threads: int | None) -> None:
    """Prepare a process of a pool of ours."""
    Thread(target=_end_with_parent, daemon=True).start()
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # if torch is not imported yet
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)

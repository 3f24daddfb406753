"""What is needed of an engine, and the check of an argument that should be one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Annotated, Any, Protocol

from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import InvalidArgumentError


class Executor(Protocol):
    """An engine that runs functions elsewhere, as those of `concurrent.futures` do.

    Dask's ``client.get_executor()``, loky, `concurrent.futures.ProcessPoolExecutor`,
    ``mpi4py.futures.MPIPoolExecutor`` and `RayExecutor` are such engines. Functions and their
    arguments reach the workers pickled.
    """

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start ``function(*args, **kwargs)`` on a worker, and return its future result."""

    def shutdown(self, wait: bool = True) -> None:
        """Free what the engine holds; only who made an executor calls this."""


def is_executor(value: Any) -> bool:
    """Return whether a value is an executor whose workers can run torch.

    A Dask client is none: its futures are of another kind. Nor is a process pool that forks,
    which is the default on Linux before Python 3.14: torch may hang in a forked process.
    """
    if isinstance(value, type) or hasattr(value, "get_executor"):
        return False
    context = getattr(value, "_mp_context", None)
    forks = context is not None and context.get_start_method() == "fork"
    return callable(value.submit) and callable(value.shutdown) and not forks


def n_workers_of(executor: Executor) -> int | None:
    """Return the number of workers of an executor if it says that: pools and MPI do."""
    for name in ("_max_workers", "num_workers"):
        n = getattr(executor, name, None)
        if isinstance(n, int):
            return n
    return None


def require_one_engine(executor: Executor | None, processes: int) -> None:
    """Refuse an executor together with processes of our own.

    Raises:
        InvalidArgumentError: If there are both.
    """
    if executor is not None and processes > 1:
        raise InvalidArgumentError(
            f"`processes` must be 1 with an `executor`, which has its own workers, but got "
            f"{processes}."
        )


AnyExecutor = Annotated[
    Executor,
    Instead(
        "an executor with `submit` and `shutdown` that does not fork, such as Dask's "
        "`client.get_executor()` or `ProcessPoolExecutor(mp_context=get_context('spawn'))`",
        is_executor,
    ),
]

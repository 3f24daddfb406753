"""Whether an error says that a worker was lost, rather than that its task failed."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, CancelledError

# errors of engines by the package that defines them, which need not be installed
_LOST = {
    "distributed": {
        "KilledWorker",
        "CommClosedError",
        "CancelledError",
        "FutureCancelledError",
        "FuturesCancelledError",
        "NoValidWorkerError",
        "NoWorkerError",
    },
    "ray": {
        "ActorDiedError",
        "ActorUnavailableError",
        "LocalRayletDiedError",
        "NodeDiedError",
        "ObjectFetchTimedOutError",
        "ObjectLostError",
        "OutOfMemoryError",
        "OwnerDiedError",
        "RayActorError",
        "TaskCancelledError",
        "WorkerCrashedError",
        "WorkerDiedError",
    },
    "loky": {"TerminatedWorkerError", "ShutdownExecutorError"},
}
_CLOSED = {"distributed": {"ClosedClientError"}}


def is_lost(error: BaseException) -> bool:
    """Return whether a worker was lost, by its engine's error for that."""
    if isinstance(error, BrokenExecutor | CancelledError):
        return True
    return _is_of(error, _LOST)


def is_closed(error: BaseException) -> bool:
    """Return whether an error of ``submit`` says that the engine takes no more tasks."""
    return isinstance(error, RuntimeError) or _is_of(error, _CLOSED)


def _is_of(error: BaseException, names: dict[str, set[str]]) -> bool:
    return any(
        base.__name__ in names.get(base.__module__.split(".")[0], ())
        for base in type(error).__mro__
    )

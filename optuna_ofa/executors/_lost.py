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
    },
    "ray": {
        "ActorDiedError",
        "LocalRayletDiedError",
        "NodeDiedError",
        "ObjectFetchTimedOutError",
        "ObjectLostError",
        "OutOfMemoryError",
        "OwnerDiedError",
        "RayActorError",
        "WorkerCrashedError",
        "WorkerDiedError",
    },
    "loky": {"TerminatedWorkerError", "ShutdownExecutorError"},
}


def is_lost(error: BaseException) -> bool:
    """Return whether a worker was lost, by its engine's error for that."""
    if isinstance(error, BrokenExecutor | CancelledError):
        return True
    return any(
        base.__name__ in _LOST.get(base.__module__.split(".")[0], ())
        for base in type(error).__mro__
    )

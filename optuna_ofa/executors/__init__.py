"""Running tasks on the engine that is there: a process pool, Dask, Ray, loky or MPI."""

from optuna_ofa.executors._executor import (
    AnyExecutor as AnyExecutor,
    Executor as Executor,
    n_workers_of as n_workers_of,
    require_one_engine as require_one_engine,
)
from optuna_ofa.executors._memory import keep_memory as keep_memory
from optuna_ofa.executors._pool import spawn_pool as spawn_pool
from optuna_ofa.executors._ray import RayExecutor
from optuna_ofa.executors._run import (
    LOST_WORKER as LOST_WORKER,
    LostWorkersError as LostWorkersError,
    run_tasks as run_tasks,
)
from optuna_ofa.executors._sendable import refuse_unsendable as refuse_unsendable
from optuna_ofa.executors._shared import (
    LackedError as LackedError,
    Reference as Reference,
    Shared as Shared,
)
from optuna_ofa.executors._worker_number import worker_number as worker_number

__all__ = ["RayExecutor"]

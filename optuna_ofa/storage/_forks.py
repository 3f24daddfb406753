"""Studies in forked processes, which must not use the locks and connections of their parent."""

from __future__ import annotations

import os
import time
from functools import cache, partial
from typing import Any, Protocol
from weakref import WeakSet

import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage

from optuna_ofa.storage._errors import relational

_SETTLE_S = 5.0


class Renewable(Protocol):
    """What is pickled without its locks and threads, and gets new ones when it is unpickled."""

    def __getstate__(self) -> Any: ...
    def __setstate__(self, state: Any) -> None: ...


def renew_after_fork(given: Renewable) -> None:
    """Give an object new locks in each process that is forked as long as it exists."""
    _known().add(given)


def reconnect_after_fork(storage: BaseStorage) -> None:
    """Let a storage open its own connections in each process that is forked."""
    storage = getattr(storage, "_guarded", storage)  # what is behind a wrapper
    for part in (storage, relational(storage)):
        if part is not None and hasattr(part, "__setstate__"):
            _known().add(part)


@cache
def _known() -> WeakSet[Any]:
    """Return all such objects; forks are noticed from the first call on."""
    known: WeakSet[Any] = WeakSet()
    abandoned: list[sa.Pool] = []
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=partial(_settle, known), after_in_child=partial(_renew_all, known, abandoned)
        )
    return known


def _settle(known: WeakSet[Any]) -> None:
    """Wait until no other thread is in a transaction of an SQLite file.

    SQLite knows the locks of a process by its files, and a child would take those for its own.
    """
    end = time.monotonic() + _SETTLE_S
    files = [of.engine for of in known if isinstance(of, RDBStorage) and _is_file(of.engine)]
    pools = [engine.pool for engine in files if isinstance(engine.pool, sa.QueuePool)]
    while any(pool.checkedout() for pool in pools) and time.monotonic() < end:
        time.sleep(0.001)


def _is_file(engine: sa.Engine) -> bool:
    return engine.dialect.name == "sqlite" and engine.url.database not in (None, "", ":memory:")


def _renew_all(known: WeakSet[Any], abandoned: list[sa.Pool]) -> None:
    for of in known:
        if isinstance(of, RDBStorage):
            if of.engine.dialect.name != "sqlite" or _is_file(of.engine):  # else it is in memory
                abandoned.append(of.engine.pool)  # closing its connections would tell the server
                of.engine.dispose(close=False)
            continue
        was_held = isinstance(of, _CachedStorage) and of._lock.locked()
        of.__setstate__(of.__getstate__())
        if was_held:  # by another thread, in the midst of a change
            of.__init__(of._backend)

"""Heartbeats of trials that wait for their measurements."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Iterable

from optuna.storages import BaseStorage
from optuna.storages._heartbeat import BaseHeartbeat, is_heartbeat_enabled

from optuna_ofa.storage._forks import renew_after_fork

_logger = logging.getLogger(__name__)


class Heartbeat:
    """Records the heartbeat of all trials that it is given, in a single thread.

    Optuna has a thread for each trial, which keeps the process alive until the trial is told.
    This one ends with the process, with the last trial, or when it is no longer referenced.
    Nothing happens unless the storage has a heartbeat interval.

    Args:
        storage: The storage of the trials.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self.__setstate__(storage)

    def __getstate__(self) -> BaseStorage:  # threads are not pickled
        return self._storage

    def __setstate__(self, storage: BaseStorage) -> None:
        self._storage = storage
        self._trial_ids: set[int] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        renew_after_fork(self)  # the parent has the thread, and records for its trials

    def watch(self, trial_ids: Iterable[int]) -> None:
        """Record the heartbeat of these trials from now on."""
        storage, trial_ids = self._storage, list(trial_ids)
        if not trial_ids or not isinstance(storage, BaseHeartbeat):
            return
        if not is_heartbeat_enabled(storage):
            return
        for trial_id in trial_ids:
            storage.record_heartbeat(trial_id)
        with self._lock:
            idle = not self._trial_ids
            self._trial_ids.update(trial_ids)
            if idle:
                self._start(storage)

    def _start(self, storage: BaseHeartbeat) -> None:
        self._stop = threading.Event()
        weakref.finalize(self, self._stop.set)  # nothing is left that could tell
        threading.Thread(
            target=_beat,
            args=(storage, self._stop, self._trial_ids, self._lock),
            name="optuna_ofa-heartbeat",
            daemon=True,
        ).start()

    def release(self, trial_id: int) -> None:
        """Stop recording the heartbeat of a trial."""
        with self._lock:
            self._trial_ids.discard(trial_id)
            if not self._trial_ids:
                self._stop.set()


def _beat(
    storage: BaseHeartbeat, stop: threading.Event, watched: set[int], lock: threading.Lock
) -> None:
    while not stop.wait(timeout=storage.get_heartbeat_interval()):
        with lock:
            trial_ids = sorted(watched)
        for trial_id in trial_ids:
            try:
                storage.record_heartbeat(trial_id)
            except Exception as error:  # the next beat may get through
                _logger.warning("No heartbeat of trial %d: %s", trial_id, error)

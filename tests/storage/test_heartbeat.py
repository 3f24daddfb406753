"""Heartbeats of trials that wait for their results."""

from __future__ import annotations

import copy
import pickle
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from optuna.storages import InMemoryStorage, RDBStorage

from optuna_ofa.storage._heartbeat import Heartbeat


class Recorder(RDBStorage):
    """Remembers heartbeats instead of writing them, and says when two of a trial have come."""

    def __init__(self, *, broken: bool = False) -> None:
        self.beats: Counter[int] = Counter()
        self.twice = threading.Event()
        self.broken = broken

    def get_heartbeat_interval(self) -> float:
        return 0.01

    def record_heartbeat(self, trial_id: int) -> None:
        self.beats[trial_id] += 1
        if min(self.beats[1], self.beats[2]) >= 2:
            self.twice.set()
        if self.broken and self.beats[trial_id] > 1:
            raise OSError("no server")


def end_of_all_but(before: set[threading.Thread]) -> None:
    """Wait for the threads that a test has started."""
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.mark.parametrize("broken", [False, True], ids=["working", "failing"])
def test_beats_until_every_trial_is_released(broken: bool) -> None:
    storage = Recorder(broken=broken)
    heartbeat = Heartbeat(storage)
    before = set(threading.enumerate())
    heartbeat.watch([1, 2])
    assert storage.twice.wait(timeout=60)
    heartbeat.release(1)
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon
    heartbeat.release(2)
    end_of_all_but(before)


def test_ends_when_nobody_can_tell_any_more() -> None:
    before = set(threading.enumerate())
    storage = Recorder()
    heartbeat = Heartbeat(storage)
    heartbeat.watch([1, 2])
    assert storage.twice.wait(timeout=60)
    del heartbeat
    end_of_all_but(before)


def test_starts_again_after_a_pause() -> None:
    storage = Recorder()
    heartbeat = Heartbeat(storage)
    heartbeat.watch([3])
    heartbeat.release(3)
    heartbeat.watch([1, 2])
    assert storage.twice.wait(timeout=60)
    for trial_id in (1, 2):
        heartbeat.release(trial_id)


def test_a_storage_without_heartbeat_needs_no_thread() -> None:
    before = set(threading.enumerate())
    heartbeat = Heartbeat(InMemoryStorage())
    heartbeat.watch([1])
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    "clone", [copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h))], ids=["copy", "pickle"]
)
def test_copies_watch_nothing(clone: Callable[[Heartbeat], Heartbeat]) -> None:
    heartbeat = Heartbeat(InMemoryStorage())
    heartbeat.watch([1])
    assert isinstance(clone(heartbeat), Heartbeat)

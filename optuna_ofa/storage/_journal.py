"""Journal files: one process at a time reads and appends, and half-written lines are mended.

Optuna reads its journal without the lock that it appends under, so two processes may add the same
subnet, and takes no care of a line that was cut off by a full disk or a killed process: it is
passed over while it is the last one, but what is appended next becomes part of it, is lost, and
makes the journal unreadable (``optuna/storages/journal/_file.py``; optuna/optuna#3854, where
checksums were considered, and #5138).
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.trial import FrozenTrial

from optuna_ofa._warnings import warn

_PART = 2**16
Read = Callable[[], list[FrozenTrial]]
Storage = TypeVar("Storage", bound=BaseStorage)


class MendingLock(BaseJournalFileLock):
    """The lock of a journal file, with which half of a line at its end is removed.

    A thread that has it may acquire it again.

    Args:
        lock: The lock that other processes use.
        path: The journal.
    """

    def __init__(self, lock: BaseJournalFileLock, path: str) -> None:
        self._lock, self.path = lock, Path(path)
        self._owner, self._depth = (0, 0), 0  # a process and a thread

    def acquire(self) -> bool:
        """Wait for the lock, and mend the journal."""
        me = os.getpid(), threading.get_ident()
        if self._owner != me:
            self._lock.acquire()
            self._owner, self._depth = me, 0
            mend(self.path)
        self._depth += 1
        return True

    def release(self) -> None:
        """Give the lock back, after what this process could not write whole is removed."""
        self._depth -= 1
        if self._depth == 0:
            try:
                mend(self.path, keep=False)  # whoever wrote it is told by an error
            finally:
                self._owner = (0, 0)
                self._lock.release()


def mend(path: Path, *, keep: bool = True) -> None:
    """End the last line of a journal, or remove it if it is incomplete; call it under the lock.

    Args:
        path: The journal.
        keep: Whether the bytes go into another file, ``<name>.torn``, with a warning.
    """
    with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
        start, line = _last_line(file.fileno())
        if not line or line.endswith(b"\n"):
            return
        if keep and _is_complete(line):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            return
        if keep:
            _keep(path, line)
        file.truncate(start)


def _last_line(file: int) -> tuple[int, bytes]:
    """Return where the last line of a file starts, and the line with its end if it has one."""
    end = os.fstat(file).st_size
    start, line = end, b""
    while start and b"\n" not in line[:-1]:
        start = max(0, start - _PART)
        line = os.pread(file, end - start, start)
        if line.endswith(b"\n"):  # nothing to do, as nearly always
            return end - 1, line[-1:]
    cut = line.rfind(b"\n", 0, len(line) - 1) + 1
    return start + cut, line[cut:]


def _is_complete(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _keep(path: Path, line: bytes) -> None:
    torn = path.with_name(f"{path.name}.torn")
    where = f"they are now in {torn}"
    try:
        with open(torn, "ab") as file:
            file.write(line + b"\n")
    except OSError as error:  # such as a full disk
        where = f"they could not be kept ({error}), and begin with {line[:100]!r}"
    warn(
        f"{path} ended in {len(line)} bytes of an incomplete line, because a process was killed or "
        f"the disk was full while it was written; {where}."
    )


def mended(storage: Storage) -> Storage:
    """Return a storage that mends its journal, if it has one in a file, before it appends to it."""
    backend = getattr(storage, "_backend", None)
    lock = getattr(backend, "_lock", None)
    path = getattr(backend, "_file_path", None)
    if isinstance(backend, JournalFileBackend) and isinstance(lock, BaseJournalFileLock) and path:
        if not isinstance(lock, MendingLock):
            lock = MendingLock(lock, path)
            backend._lock = lock
        with open(path, "rb") as file:
            torn = not _last_line(file.fileno())[1].endswith(b"\n") and os.path.getsize(path)
        if torn:  # perhaps by a process that is about to write the rest
            lock.acquire()
            lock.release()
    return storage


@contextlib.contextmanager
def alone(storage: BaseStorage, study_id: int) -> Iterator[Read | None]:
    """Keep other processes from appending to a journal file.

    Args:
        storage: The storage.
        study_id: The study.

    Yields:
        Returns the trials of the study, as they are in the storage. Other storages of several
        processes cannot keep these from writing. None of a storage in memory.
    """
    read = partial(storage.get_all_trials, study_id, deepcopy=False)
    inner = getattr(storage, "_guarded", storage)
    lock = getattr(getattr(inner, "_backend", None), "_lock", None)
    if isinstance(inner, JournalStorage) and isinstance(lock, MendingLock):
        with _threads_of(inner), get_lock_file(lock):  # in this order, as in Optuna
            size = os.path.getsize(lock.path)
            try:
                yield read
            except OSError:  # a full disk: all of it or nothing
                os.truncate(lock.path, size)
                raise
    else:
        yield None if isinstance(inner, InMemoryStorage) else read


def _threads_of(storage: Any) -> contextlib.AbstractContextManager[Any]:
    """Return the lock of a journal's threads, which one thread may acquire several times."""
    if not isinstance(storage._thread_lock, type(threading.RLock())):
        with storage._thread_lock:
            storage._thread_lock = threading.RLock()
    lock: contextlib.AbstractContextManager[Any] = storage._thread_lock
    return lock

"""What all tasks of a call need, sent to each worker once."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

T = TypeVar("T")

_KEPT = 6  # values that a worker keeps; a task needs two or three


class Reference(NamedTuple):
    """Where workers find a value: a hundred bytes in place of the value itself.

    Args:
        digest: SHA-256 of the file.
        folder: The caller's folder, which workers on other machines may not see.
    """

    digest: str
    folder: str

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.folder) / self.digest

    def load(self, read: Callable[[Path | BinaryIO], T]) -> T:
        """Return the value in a worker; read when it is first needed, and then kept.

        Args:
            read: Makes the value from the file: from its path, which may be mapped to memory, or
                from its content where this worker does not see the path.

        Raises:
            LackedError: If the worker has neither; `run_tasks` then sends the content.
        """
        return _kept().load(self, read)


class LackedError(Exception):
    """A worker lacks the value with the digest that is the only argument."""


class Shared:
    """Files for the workers of one call, in a temporary folder that goes with the block.

    Workers on this machine read them from there, and so do those on other machines if the folder of
    temporary files (``TMPDIR``) is on a shared disk. All others get their content, once each.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> Shared:
        name = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="optuna-ofa-"))
        self._folder = Path(name)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def put(self, write: Callable[[BinaryIO], Any]) -> Reference:
        """Write a file, whose name is its digest, and return what workers find it by."""
        assert self._folder is not None
        temporary = self._folder / "new"
        with temporary.open("wb") as file:
            write(file)
        with temporary.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        temporary.replace(self._folder / digest)
        return Reference(digest, str(self._folder))

    def content(self, digest: str) -> bytes:
        """Return the content of a file."""
        assert self._folder is not None
        return (self._folder / digest).read_bytes()


class _Kept:
    """The values that this worker has read, the least recently used of which are dropped."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # Dask and thread pools run tasks in threads
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._received: dict[str, bytes] = {}

    def receive(self, contents: Mapping[str, bytes]) -> None:
        """Keep contents that came with a task until they are read."""
        with self._lock:
            self._received.update({k: v for k, v in contents.items() if k not in self._values})

    def load(self, reference: Reference, read: Callable[[Path | BinaryIO], T]) -> T:
        """Do what `Reference.load` does."""
        digest = reference.digest
        with self._lock:
            if digest not in self._values:
                self._values[digest] = self._read(reference, read)
            self._values.move_to_end(digest)
            while len(self._values) > _KEPT:
                self._values.popitem(last=False)
            value: T = self._values[digest]
            return value

    def _read(self, reference: Reference, read: Callable[[Path | BinaryIO], T]) -> T:
        content = self._received.pop(reference.digest, None)
        if content is not None:
            return read(io.BytesIO(content))
        try:
            reference.path.open("rb").close()
        except OSError:  # on another machine, or of another user
            raise LackedError(reference.digest) from None
        return read(reference.path)


@functools.cache
def _kept() -> _Kept:
    """Return what this process keeps."""
    return _Kept()


def receive(contents: Mapping[str, bytes]) -> None:
    """Keep what the caller has sent to this worker."""
    if contents:
        _kept().receive(contents)

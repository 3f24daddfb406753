"""A value that each thread sets for itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class PerThread(Generic[T]):
    """A value that each thread sets for itself; other threads get the one that was set last.

    Copies and pickles have the value of the thread that makes them.

    Args:
        value: The value for threads that set none.
    """

    def __init__(self, value: T) -> None:
        self._last = value
        self._own = threading.local()

    def get(self) -> T:
        """Return the value that this thread set, or else the one that any thread set last."""
        value: T = getattr(self._own, "value", self._last)
        return value

    def set(self, value: T) -> None:
        """Set the value of this thread, and of threads that set none."""
        self._own.value = self._last = value

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the value of this thread, whatever other threads set."""
        if hasattr(self._own, "value"):
            yield
            return
        self._own.value = self._last
        try:
            yield
        finally:
            del self._own.value

    def __reduce__(self) -> tuple[type[PerThread[T]], tuple[T]]:
        return PerThread, (self.get(),)

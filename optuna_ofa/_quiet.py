"""Silence for exporters, whose warnings, logs and prints concern their own internals."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import warnings
from collections.abc import Iterator

# What is silenced belongs to the whole process: two threads would restore each other's silence.
_LOCK = threading.RLock()
_STDOUT, _STDERR = 1, 2


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress warnings, and logs below errors, until the block ends."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Suppress what `quiet` suppresses, and all that Python and C++ code prints.

    Handlers of the root logger that are added in the block, and changes of its level, are undone.
    One thread at a time can be in such a block.
    """
    root = logging.getLogger()
    with _LOCK, quiet(), contextlib.ExitStack() as stack:
        handlers, level = root.handlers[:], root.level
        stack.callback(root.setLevel, level)
        stack.callback(lambda: setattr(root, "handlers", handlers))
        for descriptor in (_STDOUT, _STDERR):
            stack.enter_context(_discarded(descriptor))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        yield


@contextlib.contextmanager
def _discarded(descriptor: int) -> Iterator[None]:
    """Discard what is written to a file descriptor; one that is closed stays closed."""
    try:
        kept = os.dup(descriptor)
    except OSError:
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(null)

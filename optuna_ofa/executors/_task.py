"""What a worker does with a task, and what it answers."""

from __future__ import annotations

import functools
import os
import pickle
import platform
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.executors._shared import LackedError, receive

Worker = tuple[str, int, int]  # host, process and thread


class Ticket(NamedTuple):
    """What makes a submission another one: Dask answers equal calls with one result.

    Args:
        version: The version of this package that submits.
        run: Random, for each call of `run_tasks`.
        number: Of the submission, from 0.
    """

    version: str
    run: str
    number: int


@functools.cache
def own_version() -> str:
    """Return the version of this package."""
    return version("optuna-ofa")


@dataclass(frozen=True)
class Answer:
    """What came of a task in a worker.

    Args:
        worker: Who ran it.
        result: What the function returned.
        error: What it raised instead.
        lacked: The digest of a shared value that the worker lacks; the function has to run again.
    """

    worker: Worker
    result: Any = None
    error: Exception | None = None
    lacked: str | None = None


def call(
    function: Callable[[Any], Any], task: Any, contents: Mapping[str, bytes], ticket: Ticket
) -> Answer:
    """Run a task in a worker.

    Args:
        function: A function of one argument.
        task: The argument.
        contents: Shared values by digest, which the worker has said that it lacks.
        ticket: Who submits.
    """
    worker = platform.node(), os.getpid(), threading.get_ident()
    receive(contents)
    try:
        if ticket.version != own_version():
            raise MeasurementError(
                f"Workers must have the version of optuna-ofa that submits, {ticket.version}, but "
                f"{worker[0]} has {own_version()}."
            )
        return Answer(worker, result=function(task))
    except LackedError as error:
        return Answer(worker, lacked=error.args[0])
    except Exception as error:
        return Answer(worker, error=_portable(error))


def _portable(error: Exception) -> Exception:
    """Return an error that can be pickled, with the traceback of the worker as a note."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301, written in this line
    except Exception:
        error = MeasurementError(f"{type(error).__name__}: {error}")
    error.add_note("".join(traceback.format_exception(error)))
    return error

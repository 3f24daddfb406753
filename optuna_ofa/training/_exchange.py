"""Results and errors that the processes of a run exchange, however long one of them works."""

from __future__ import annotations

import contextlib
import math
import pickle
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from optuna_ofa.training._distributed import average, n_processes, rank

T = TypeVar("T")

LONGEST_WAIT = timedelta(days=30)  # a group must have a timeout
LONGEST_PAUSE_S = 0.01


class Exchange:
    """What one process does while the others wait: evaluating, reading and writing files.

    A collective of PyTorch fails after the timeout of its group, which is meant for messages, not
    for work. So these exchanges have a group of their own, without a timeout in practice. A
    process that dies closes its connections, which is an error in the others at once.

    Args:
        group: The processes; None if there is only this one.
        device: The device on which they send messages to each other.
    """

    def __init__(self, group: Any = None, device: torch.device | None = None) -> None:
        self._group = group
        self._device = device

    def gather(self, work: Callable[[], T]) -> list[T]:
        """Call ``work`` in every process.

        Returns:
            The results by process, which must be picklable.

        Raises:
            BaseException: In all processes if ``work`` raises in one: its own error where it
                failed, elsewhere a copy with a note that names the process.
        """
        if self._group is None:
            return [work()]
        result, error = _outcome(work)
        outcomes = self._all((result, None if error is None else _packed(error)))
        if error is not None:
            raise error
        for sender, (_, packed) in enumerate(outcomes):
            if packed is not None:
                raise _unpacked(packed, sender)
        return [cast(T, value) for value, _ in outcomes]

    def from_first(self, work: Callable[[], T]) -> T:
        """Call ``work`` in the first process only, and return its result in all.

        Raises:
            BaseException: As in `gather`.
        """
        if self._group is None:
            return work()
        results: list[Any] = [None]
        if rank() == 0:
            self.gather(lambda: results.insert(0, work()))
        else:
            self.gather(lambda: None)
        dist.broadcast_object_list(results := results[:1], src=0, group=self._group)
        return cast(T, results[0])

    def average(self, work: Callable[[], torch.Tensor]) -> float:
        """Call ``work`` in every process, and return the mean of its results, a scalar each.

        This is a message within the timeout of the processes' group, for every step of a run.

        Raises:
            BaseException: As in `gather`.
        """
        if self._group is None:
            return float(work())
        value, error = _outcome(work)
        if value is None:
            value = torch.full((), math.nan, device=self._device)
        try:
            mean = float(average(value))
        except RuntimeError as broken:
            broken.add_note(
                "A process ended, or its step, with the batches of its loader, took longer than "
                "the `timeout` of `torch.distributed.init_process_group`."
            )
            raise
        if not math.isfinite(mean):  # is one of them an error?
            self.gather(lambda: _raise(error))
        return mean

    def _all(self, value: T) -> list[T]:
        self._meet()
        values: list[Any] = [None] * n_processes()
        dist.all_gather_object(values, value, group=self._group)
        return values

    def _meet(self) -> None:
        """Wait until all processes are here; Ctrl-C can end the wait, unlike a collective."""
        waiting = dist.barrier(group=self._group, async_op=True)
        pause = 1e-4
        while not waiting.is_completed():
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        waiting.wait()


@contextlib.contextmanager
def exchange(device: torch.device) -> Iterator[Exchange]:
    """Make an exchange of all processes, which must call this within the timeout of their group.

    Args:
        device: The device on which the processes send messages to each other.
    """
    if n_processes() == 1:
        yield Exchange()
        return
    average(torch.zeros((), device=device))  # they are all here: what follows has no timeout
    group = dist.new_group(backend="gloo", timeout=LONGEST_WAIT)
    try:
        yield Exchange(group, device)
    finally:
        dist.destroy_process_group(group)


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # also Ctrl-C in one process: the others wait for it
        return None, error


def _packed(error: BaseException) -> bytes:
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # noqa: S301, made here
    except Exception:  # of a class that cannot be pickled
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return packed


def _unpacked(packed: bytes, sender: int) -> BaseException:
    try:
        error: BaseException = pickle.loads(packed)  # noqa: S301, from a process of this run
    except Exception:  # of a class that this process does not have
        error = RuntimeError("an error of a class that cannot be read here")
    error.add_note(f"Raised in process {sender} of {n_processes()}.")
    return error


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error

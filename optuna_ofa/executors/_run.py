"""Running tasks on an executor: results as they come, and another try where a worker is lost."""

from __future__ import annotations

import itertools
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from queue import SimpleQueue
from typing import Generic, TypeVar

from optuna_ofa._rules import shown
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FailedMeasurementWarning, MeasurementError
from optuna_ofa.executors._attempts import Attempt, Attempts
from optuna_ofa.executors._engine import Engine
from optuna_ofa.executors._executor import Executor, n_workers_of
from optuna_ofa.executors._lost import is_lost
from optuna_ofa.executors._shared import Shared
from optuna_ofa.executors._task import Answer, Ticket, Worker, call, own_version

Item = TypeVar("Item")
Result = TypeVar("Result")

LOST_WORKER = "A worker was lost"  # the beginning of that warning
_FIRST = 8  # tasks in flight before it is known how many workers there are
_A_WORKER = 2  # tasks in flight for each, so that none waits for the next one


class LostWorkersError(MeasurementError):
    """Tasks are not done, because their workers were lost again and again."""


def run_tasks(
    executor: Executor,
    function: Callable[[Item], Result],
    tasks: Iterable[Item],
    *,
    retries: int = 2,
    in_flight: int | None = None,
    shared: Shared | None = None,
    describe: Callable[[Item], str] = shown,
) -> Generator[tuple[int, Result], None, None]:
    """Yield the index of each task and ``function(task)`` of a worker, as they finish.

    A task whose worker is lost is tried again, up to ``retries`` times, while the others go on. A
    broken process pool of Python or loky is replaced by a new one with the same settings for the
    rest of the call. Closing the generator, an error and Ctrl-C cancel the tasks that wait.

    Args:
        executor: The engine, which is not shut down.
        function: A function of a module that workers can import.
        tasks: Its arguments; the next one is taken when it is submitted.
        retries: How many times a task is tried again after its worker was lost.
        in_flight: Largest number of tasks that are submitted and not finished; None keeps all
            workers busy: one more than a pool has workers, and elsewhere at least 8, and two for
            each worker that has answered.
        shared: What the tasks refer to, for workers that do not see its files.
        describe: Names a task in messages.

    Raises:
        LostWorkersError: At the end, if some tasks have lost a worker in each try; at once, if that
            happens to two while no other is done.
        MeasurementError: If the executor takes no tasks.
        Exception: What the function raises, at once.

    Warns:
        FailedMeasurementWarning: A worker was lost.
    """
    run = _Run(Engine(executor), Attempts(tasks, retries), function, in_flight, shared, describe)
    finished = False
    try:
        yield from run.results()
        finished = True
    finally:
        run.stop(finished=finished)


class _Run(Generic[Item, Result]):
    """The state of a call of `run_tasks`."""

    def __init__(
        self,
        engine: Engine,
        attempts: Attempts[Item],
        function: Callable[[Item], Result],
        in_flight: int | None,
        shared: Shared | None,
        describe: Callable[[Item], str],
    ) -> None:
        self._engine, self._attempts, self._function = engine, attempts, function
        self._in_flight, self._shared, self._describe = in_flight, shared, describe
        self._out: dict[Future[Answer], Attempt[Item]] = {}
        self._done: SimpleQueue[Future[Answer]] = SimpleQueue()
        self._workers: set[Worker] = set()
        self._lacking: dict[str, set[Worker]] = {}
        self._n_sent: Counter[str] = Counter()
        run = secrets.token_hex(8)
        self._tickets = (Ticket(own_version(), run, i) for i in itertools.count())

    def results(self) -> Iterator[tuple[int, Result]]:
        """Yield results until no task is left."""
        self._fill()
        while self._out:
            future = self._done.get()
            attempt = self._out.pop(future)
            answer = self._answer(future, attempt)
            if answer is not None:
                self._attempts.n_done += 1
                yield attempt.index, answer.result
            self._fill()
        if self._attempts.failed:
            raise self._error(self._attempts.failed)

    def stop(self, *, finished: bool) -> None:
        """Cancel the tasks that wait, and end a pool that was started here."""
        for future in self._out:
            future.cancel()
        self._engine.close(at_once=not finished)

    @property
    def _limit(self) -> int:
        """How many tasks may be in flight now."""
        if self._in_flight is not None:
            return self._in_flight
        n = n_workers_of(self._engine.executor)
        return max(_FIRST, _A_WORKER * len(self._workers) + 1) if n is None else n + 1

    def _fill(self) -> None:
        """Submit tasks, as many as may be in flight."""
        while len(self._out) < self._limit and not any(a.alone for a in self._out.values()):
            attempt = self._attempts.next(is_idle=not self._out)
            if attempt is None:
                return
            self._submit(attempt)

    def _submit(self, attempt: Attempt[Item]) -> None:
        contents, attempt.contents = attempt.contents, {}
        try:
            future = self._engine.submit(
                call, self._function, attempt.item, contents, next(self._tickets)
            )
        except BrokenExecutor as error:
            self._lost(attempt, error)
            return
        attempt.executor = self._engine.executor
        self._out[future] = attempt
        future.add_done_callback(self._done.put)

    def _answer(self, future: Future[Answer], attempt: Attempt[Item]) -> Answer | None:
        """Return what a worker answered; None if the task has to be tried again."""
        try:
            answer = future.result()
        except BaseException as error:
            if not is_lost(error):
                raise
            if isinstance(error, BrokenExecutor) and attempt.executor is not None:
                self._engine.renew(attempt.executor)
            self._lost(attempt, error)
            return None
        self._workers.add(answer.worker)
        if answer.lacked is not None:
            self._send(attempt, answer.lacked, answer.worker)
            return None
        if answer.error is not None:
            raise answer.error
        return answer

    def _send(self, attempt: Attempt[Item], digest: str, worker: Worker) -> None:
        """Try a task again with the shared value that its worker lacks.

        The value comes along if it has not been sent for this worker yet, in front of the tasks
        that wait there. It may have reached another one, which a second try finds out.
        """
        if self._shared is None:
            raise MeasurementError(
                f"A worker does not find {digest}, and there is nothing to send to it."
            )
        lacking = self._lacking.setdefault(digest, set())
        lacking.add(worker)
        if self._n_sent[digest] < len(lacking) or digest in attempt.lacked:
            self._n_sent[digest] += 1
            attempt.contents = {digest: self._shared.content(digest)}
        attempt.lacked.add(digest)
        self._attempts.again(attempt)

    def _lost(self, attempt: Attempt[Item], error: BaseException) -> None:
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".: ")
        if not self._attempts.lost(attempt, error):
            rest = [*self._attempts.waiting(), *self._out.values()]
            raise self._error(rest, reason) from error
        warn(
            f"{LOST_WORKER} ({reason}). What it had to do is tried again.", FailedMeasurementWarning
        )

    def _error(self, attempts: Sequence[Attempt[Item]], reason: str = "") -> LostWorkersError:
        ordered = sorted(attempts, key=lambda attempt: attempt.index)
        names = ", ".join(self._describe(attempt.item) for attempt in ordered)
        return LostWorkersError(
            f"Workers were lost each time that they had one of these tasks, which are not done: "
            f"{names}." + (f" The last time: {reason}." if reason else "")
        )

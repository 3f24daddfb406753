"""Tasks on executors: results, lost workers, and stops."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from optuna_ofa.exceptions import FailedMeasurementWarning, InvalidArgumentError, MeasurementError
from optuna_ofa.executors import Reference, Shared, run_tasks
from optuna_ofa.executors._task import Answer

WAIT_S = 60


def double(x: int) -> int:
    return 2 * x


def refuse(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


class Deed(NamedTuple):
    """A task that kills its worker the first ``n_kills`` times."""

    name: str
    n_kills: int
    folder: Path


def kill_or_answer(deed: Deed) -> str:
    for i in range(deed.n_kills):
        with contextlib.suppress(FileExistsError):
            (deed.folder / f"{deed.name}-{i}").touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
    return deed.name


def size_of(reference: Reference) -> int:
    return len(
        reference.load(lambda file: file.read_bytes() if isinstance(file, Path) else file.read())
    )


class Flaky:
    """Runs tasks in this thread; loses the workers of some of them."""

    def __init__(self, error: BaseException, losses: dict[int, int]) -> None:
        self._error, self._losses = error, losses
        self.n_submitted = 0

    def submit(self, function: Any, /, *args: Any) -> Future[Any]:
        self.n_submitted += 1
        future: Future[Any] = Future()
        item = args[1]
        if self._losses.get(item, 0):
            self._losses[item] -= 1
            future.set_exception(self._error)
        else:
            future.set_result(function(*args))
        return future

    def shutdown(self, wait: bool = True) -> None:
        raise AssertionError("the caller's executor is not shut down")


@pytest.fixture
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


def test_results_come_with_their_index() -> None:
    with ThreadPoolExecutor(3) as executor:
        found = dict(run_tasks(executor, double, range(20)))
    assert found == {i: 2 * i for i in range(20)}


def test_the_next_task_is_taken_when_it_is_submitted() -> None:
    taken: list[int] = []
    with ThreadPoolExecutor(1) as executor:
        tasks = (taken.append(i) or i for i in range(10))  # type: ignore[func-returns-value]
        running = run_tasks(executor, double, tasks, in_flight=2)
        next(running)
        assert len(taken) <= 3
        running.close()


def test_an_error_of_the_function_is_raised_at_once_and_not_tried_again() -> None:
    executor = Flaky(RuntimeError(), {})
    with pytest.raises(ValueError, match="three"):
        list(run_tasks(executor, refuse, range(100), in_flight=1))
    assert executor.n_submitted == 4


def engine_error(package: str, name: str) -> Exception:
    """An error as an engine that is not installed would raise it."""
    error: Exception = type(name, (Exception,), {"__module__": f"{package}.exceptions"})("gone")
    return error


@pytest.mark.parametrize(
    "error",
    [
        BrokenExecutor("gone"),
        CancelledError("gone"),
        engine_error("distributed", "KilledWorker"),
        engine_error("distributed", "NoWorkerError"),
        engine_error("ray", "WorkerCrashedError"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_lost_worker_is_another_try(error: Exception) -> None:
    executor = Flaky(error, {3: 2, 5: 1})
    with pytest.warns(FailedMeasurementWarning, match="A worker was lost"):
        found = dict(run_tasks(executor, double, range(10)))
    assert found == {i: 2 * i for i in range(10)}
    assert executor.n_submitted == 13


@pytest.mark.filterwarnings("ignore:A worker was lost")
def test_tasks_that_always_lose_their_worker_are_named_after_all_others_are_done() -> None:
    executor = Flaky(engine_error("ray", "WorkerCrashedError"), {3: 9, 7: 9})
    running = run_tasks(executor, double, range(10), describe="task {}".format)
    found = dict(islice(running, 8))
    assert found == {i: 2 * i for i in range(10) if i not in (3, 7)}
    with pytest.raises(MeasurementError, match="are not done: task 3, task 7"):
        next(running)
    assert executor.n_submitted == 8 + 2 * 3


@pytest.mark.filterwarnings("ignore:A worker was lost")
@pytest.mark.parametrize("retries", [0, 2])
def test_where_nothing_is_done_it_stops_at_once(retries: int) -> None:
    executor = Flaky(BrokenExecutor("no main guard"), dict.fromkeys(range(100), 99))
    with pytest.raises(MeasurementError, match=r"not done: 0, .*BrokenExecutor: no main guard\.$"):
        list(run_tasks(executor, double, range(100), retries=retries, in_flight=4))
    assert executor.n_submitted <= 4 * (retries + 1) + 4


def test_a_client_that_was_closed_is_an_error_of_ours() -> None:
    class Closed(Flaky):
        def submit(self, function: Any, /, *args: Any) -> Future[Any]:
            if self.n_submitted == 3:
                raise engine_error("distributed", "ClosedClientError")
            return super().submit(function, *args)

    running = run_tasks(Closed(RuntimeError(), {}), double, range(9), in_flight=1)
    assert dict(islice(running, 2)) == {0: 0, 1: 2}
    with pytest.raises(MeasurementError, match="`executor` takes no tasks: gone"):
        list(running)


def test_an_executor_that_was_shut_down_is_an_error_of_ours() -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(MeasurementError, match="`executor` takes no tasks: cannot schedule new"):
        list(run_tasks(executor, double, range(3)))


@pytest.mark.filterwarnings("ignore:A worker was lost")
def test_a_broken_pool_is_replaced(pool: ProcessPoolExecutor, tmp_path: Path) -> None:
    deeds = [Deed(f"deed {i}", int(i == 2), tmp_path) for i in range(8)]
    found = dict(run_tasks(pool, kill_or_answer, deeds))
    assert found == {i: f"deed {i}" for i in range(8)}
    assert dict(run_tasks(pool, double, [4])) == {0: 8}  # broken from the start
    assert all(process.exitcode is not None for process in (pool._processes or {}).values())


@pytest.mark.filterwarnings("ignore:A worker was lost")
def test_the_task_that_kills_is_told_from_its_neighbours(
    pool: ProcessPoolExecutor, tmp_path: Path
) -> None:
    deeds = [Deed(f"deed {i}", 9 if i == 2 else 0, tmp_path) for i in range(6)]
    running = run_tasks(pool, kill_or_answer, deeds, describe=lambda deed: deed.name)
    assert dict(islice(running, 5)) == {i: f"deed {i}" for i in range(6) if i != 2}
    with pytest.raises(MeasurementError, match=r"not done: deed 2\.$"):
        next(running)


@pytest.mark.filterwarnings("ignore:A worker was lost")
@pytest.mark.parametrize("package", ["loky", "joblib.externals.loky"])
def test_a_broken_pool_of_loky_or_joblib_is_replaced(package: str, tmp_path: Path) -> None:
    loky = pytest.importorskip(package)
    pool = loky.get_reusable_executor(1)
    try:
        deeds = [Deed(f"deed {i}", int(i == 1), tmp_path) for i in range(3)]
        found = dict(run_tasks(pool, kill_or_answer, deeds))
        assert found == {i: f"deed {i}" for i in range(3)}
        assert loky.get_reusable_executor(1) is not pool
    finally:
        loky.get_reusable_executor(1).shutdown(kill_workers=True)


class Equal(ThreadPoolExecutor):
    """Answers equal calls with one result, as Dask does."""

    def __init__(self) -> None:
        super().__init__(1)
        self._futures: dict[bytes, Future[Any]] = {}

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        key = pickle.dumps((function, args, kwargs))
        if key not in self._futures:
            self._futures[key] = super().submit(function, *args, **kwargs)
        return self._futures[key]


def count(path: Path) -> int:
    with path.open("ab") as file:
        file.write(b"x")
        return file.tell()


def test_equal_tasks_run_each_time(tmp_path: Path) -> None:
    with Equal() as executor:
        for n in (0, 2):
            found = dict(run_tasks(executor, count, [tmp_path / "file"] * 2, in_flight=1))
            assert found == {0: n + 1, 1: n + 2}


def test_workers_of_another_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna_ofa.executors import _run

    monkeypatch.setattr(_run, "own_version", lambda: "0.0.1")
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(MeasurementError, match=r"optuna-ofa that submits, 0\.0\.1, but .* has 0\.1"),
    ):
        list(run_tasks(executor, double, range(3)))


def test_what_submit_returns_must_be_a_future() -> None:
    class Pool:
        def submit(self, function: Any, /, *args: Any) -> Any:
            return function(*args)

        def shutdown(self, wait: bool = True) -> None: ...

    with pytest.raises(InvalidArgumentError, match=r"`executor` must return futures .* Answer\("):
        list(run_tasks(Pool(), double, range(3)))


class Counting(ThreadPoolExecutor):
    """Notes the shared values that come with each task."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.sent: list[str] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.sent += args[2]
        return super().submit(function, *args, **kwargs)


def test_workers_that_do_not_see_the_files_get_them_once() -> None:
    with Shared() as shared, Counting(1) as executor:
        reference = shared.put(lambda file: file.write(os.urandom(1000)))
        away = reference._replace(folder="/nowhere")
        found = dict(run_tasks(executor, size_of, [away] * 9, shared=shared, in_flight=5))
        assert found == dict.fromkeys(range(9), 1000)
        folder = Path(reference.folder)
    assert executor.sent == [reference.digest]
    assert not folder.exists()


class Elsewhere:
    """Two workers, the second of which gets every task that comes with a value."""

    def __init__(self) -> None:
        self.n_sent = 0

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.n_sent += bool(args[2])
        worker = ("second" if self.n_sent == 1 and args[2] else "first", 0, 0)
        if worker[0] == "first" and self.n_sent < 2:
            future.set_result(Answer(worker, lacked=args[1].digest))
        else:
            future.set_result(Answer(worker, result=1))
        return future

    def shutdown(self, wait: bool = True) -> None: ...


def test_a_value_that_reached_another_worker_is_sent_again() -> None:
    executor = Elsewhere()
    with Shared() as shared:
        reference = shared.put(lambda file: file.write(b"x"))
        found = dict(run_tasks(executor, size_of, [reference] * 4, shared=shared, in_flight=2))
    assert found == dict.fromkeys(range(4), 1)
    assert executor.n_sent == 2


BUSY = """
import os, signal, sys, time
from pathlib import Path
from optuna_ofa.executors import run_tasks, spawn_pool

def sleep(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(600)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with spawn_pool(2) as pool:
        next(run_tasks(pool, sleep, [Path(sys.argv[1])] * 3))
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_processes_of_our_pool_end_with_their_parent(sent: signal.Signals, tmp_path: Path) -> None:
    script, folder = tmp_path / "be_busy.py", tmp_path / "workers"
    script.write_text(BUSY)
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, str(script), str(folder)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(list(folder.iterdir())) == 2)
        parent.send_signal(sent)
        assert parent.wait(WAIT_S) == -sent
    finally:
        parent.kill()
    for worker in folder.iterdir():
        wait_until(lambda worker=worker: not Path(f"/proc/{worker.name}/stat").exists())


def wait_until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)

"""Measuring whole subnets."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import optuna
from optuna.storages import BaseStorage

from optuna_ofa._arguments import AnyPath, OutputFolder, PositiveFloat, StorageUrl, checked
from optuna_ofa._progress import GraphBar, graph_progress
from optuna_ofa._terminations import terminations_raised
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    InvalidArgumentError,
    NoisyDeviceWarning,
    OptunaOFAError,
)
from optuna_ofa.executors import AnyExecutor, Executor, refuse_unsendable, run_tasks
from optuna_ofa.measurements import Database, MeasurementTable, Reading
from optuna_ofa.profiling._export import as_space
from optuna_ofa.profiling._latencies import COLUMNS, Latencies
from optuna_ofa.profiling._measure_part import (
    Part,
    Task,
    graphs_folder,
    measure_on_worker,
    measure_part,
    setup_of,
    setup_of_worker,
)
from optuna_ofa.profiling._profile import script_errors
from optuna_ofa.profiling._results import Results
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling._shared_work import Work, first_anchor_ms
from optuna_ofa.profiling.on_device import GRAPHS_AT_ONCE
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet

Item = TypeVar("Item")
Result = TypeVar("Result")

# subnets of a task: few, so that all workers have some, each beside its own anchor
_AT_ONCE_ON_WORKERS = 4
# ratio of wall to CPU clock above which other programs kept the processor busy
_BUSY = 1.2


@checked
@terminations_raised()
def measure(
    space: AnyPath | Family | SearchSpace,
    matrix: Matrix,
    settings: MeasurementSettings | None = None,
    *,
    storage: StorageUrl | BaseStorage | optuna.Study | None = None,
    again: bool = False,
    anchor_ms: PositiveFloat | None = None,
    folder: OutputFolder | None = None,
    progress: bool | None = None,
    executor: AnyExecutor | None = None,
) -> Latencies:
    """Measure the latency of subnets on this device.

    Subnets take turns in rounds, beside an anchor subnet that is the same for all of a family:
    a latency is the median ratio to the anchor of the same round, times the anchor's latency.
    With one thread the process's CPU clock is used, which other programs disturb little.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` genotypes; equal ones are measured once.
        settings: The runtime and its settings; None is `MeasurementSettings()`, ONNX Runtime on
            one thread.
        storage: A relational database that measurements are written to as soon as they are
            made, and where those of the same device, runtime and settings are looked up first:
            an Optuna storage, its URL, or a study. Calls with the same database on equal devices
            share the subnets; on one machine they take turns. None keeps nothing.
        again: Measure subnets again that the database already has; both measurements are kept.
        anchor_ms: Latency of the anchor that all latencies are scaled to, such as ``anchor_ms`` in
            a table's metadata; None takes that of the first measurement in the database, or of this
            one.
        folder: A folder to keep the graphs in, so that later calls need not write them again; None
            deletes them.
        progress: Whether to show a progress bar; None shows it on a terminal only.
        executor: Whose workers measure, instead of this device: boards or machines of one kind,
            each with one worker of one thread; see `optuna_ofa.evaluate`. Workers of one host
            take turns, because two measurements disturb each other, so more of them are no
            faster. The name of the host is with each measurement in the database
            (`Measurement.details`). None measures on this device.

    Returns:
        The latencies in the order of the matrix. A subnet with several measurements in the database
        gets their median, unless ``again``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        InvalidSubnetError: If a row does not belong to the space.
        MissingDependencyError: If the runtime is not installed.
        MeasurementError: If the device fails, three subnets in a row fail, or several subnets all
            fail with the same error; if the workers of ``executor`` are devices of several kinds,
            or are lost. What was measured before is kept in the database.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: The runtime failed on some subnets, which the next call tries
            again.
        NoisyDeviceWarning: The device was busy, or repeated runs differ by more than
            ``max_spread``.
    """
    settings = settings or MeasurementSettings()
    if executor is not None:
        require_no_folder(folder)
    space = as_space(space)
    matrix = space.canonicalize(space.check(np.asarray(matrix)))
    database = None if storage is None else Database(storage)  # before any work
    device = _Here(settings, folder) if executor is None else _Workers(settings, executor)
    setup = {**device.setup, "family": space.family.fingerprint}
    table = None if database is None else MeasurementTable(database, space.family, setup)
    subnets = space.from_matrix(matrix)
    stored = {} if table is None or again else table.read(subnets)
    if anchor_ms is None and table is not None:
        anchor_ms = first_anchor_ms(table)
    missing = [s for s in dict.fromkeys(subnets) if s not in stored]
    begin, done = time.monotonic(), 0
    with (
        graph_progress("measuring", progress, total=len(missing)) as bar,
        contextlib.ExitStack() as stack,
    ):
        noise: list[Results] = []
        stack.callback(_warn_noise, noise, settings.max_spread)
        claims = None
        if table is not None and missing and not again:
            claims = stack.enter_context(table.claims())
        work = Work(table, claims, stored, anchor_ms, len(missing), bar)
        for left in work.rounds(missing):
            for part in device.parts(space.family, work, left, bar):
                work.add(part)
                if part.results is not None:
                    noise.append(part.results)
                done += len(part.readings)
                bar(done, len(missing), (time.monotonic() - begin) / done * (len(missing) - done))
        work.end()
    failed = {s: work.known[s].error or "" for s in missing if work.known[s].error is not None}
    if failed:
        _warn_failed(failed, len(missing), str(setup["runtime"]))
    return _collect(space, matrix, [work.known[s] for s in subnets], setup, work.anchor_ms)


def require_no_folder(folder: AnyPath | None) -> None:
    """Refuse a folder for graphs that are written by workers."""
    if folder is not None:
        raise InvalidArgumentError(
            f"`folder` must be None with an `executor`, whose workers write graphs where they "
            f"are, but got {str(folder)!r}."
        )


class _Here:
    """This device.

    Args:
        settings: The settings.
        folder: Where graphs are kept; None for nowhere.
    """

    def __init__(self, settings: MeasurementSettings, folder: AnyPath | None) -> None:
        self._settings, self._folder = settings, folder
        self._runtime = settings.open_runtime()
        self.setup = setup_of(self._runtime, settings)

    def parts(
        self, family: Family, work: Work, subnets: Sequence[Subnet], bar: GraphBar
    ) -> Iterator[Part]:
        """Yield what is measured of a few subnets after the other."""
        for part in work.groups(subnets, GRAPHS_AT_ONCE):
            with work.alone(), graphs_folder(self._folder) as place, script_errors():
                found = measure_part(family, part, self._runtime, self._settings, place, bar)
            yield found


class _Workers:
    """The devices of the workers of an executor, which are of one kind.

    Args:
        settings: The settings.
        executor: The executor.
    """

    def __init__(self, settings: MeasurementSettings, executor: Executor) -> None:
        self._settings, self._executor = settings, executor
        ((_, self.setup),) = self._run(setup_of_worker, [settings], _which_device)

    def parts(
        self, family: Family, work: Work, subnets: Sequence[Subnet], bar: GraphBar
    ) -> Iterator[Part]:
        """Yield what the workers measure, as it comes."""
        groups = work.groups(subnets, _AT_ONCE_ON_WORKERS)
        tasks = (Task(family, part, self._settings, self.setup) for part in groups)
        bar.say("on the workers")
        yield from (part for _, part in self._run(measure_on_worker, tasks, _in_words))

    def _run(
        self,
        function: Callable[[Item], Result],
        tasks: Iterable[Item],
        describe: Callable[[Item], str],
    ) -> Iterator[tuple[int, Result]]:
        try:
            yield from run_tasks(self._executor, function, tasks, describe=describe)
        except OptunaOFAError:
            raise
        except Exception as error:
            refuse_unsendable("runtime", self._settings.runtime, error)
            raise


def _which_device(settings: MeasurementSettings) -> str:
    return "to say which device it is"


def _in_words(task: Task) -> str:
    return ", ".join(map(str, task.subnets))


def _warn_failed(reasons: Mapping[Subnet, str], n: int, runtime: str) -> None:
    subnet, reason = next(iter(reasons.items()))
    warn(
        f"{runtime} failed on {len(reasons)} of {n} subnets, the first of them {subnet}: {reason}. "
        f"The next call tries them again.",
        FailedMeasurementWarning,
    )


def _warn_noise(parts: Sequence[Results], max_spread: float) -> None:
    """Warn once of each kind of noise, however many parts have it."""
    busy = [of.busy for of in parts if of.clock == "cpu" and of.busy > _BUSY]
    if busy:
        warn(
            f"Other programs used the processor: networks took {max(busy):.2f} times as long by "
            f"the wall clock as by the CPU clock{_worst_of(busy, parts)}.",
            NoisyDeviceWarning,
        )
    timings = [timing for of in parts for timing in of.timings.values()]
    noisy = sum(t.std_ms > t.latency_ms for t in timings)
    if noisy:
        warn(
            f"{noisy} of {len(timings)} networks have a standard deviation of repeated runs above "
            f"their mean; measure them with `again=True` when the device is quieter.",
            NoisyDeviceWarning,
        )
    spread = [of.relative_std for of in parts if of.relative_std > max_spread]
    if spread:
        warn(
            f"Repeated runs differ by {max(spread):.1%} (standard deviation), and `max_spread` is "
            f"{max_spread:.1%}{_worst_of(spread, parts)}; end other programs, use `pin`, or raise "
            f"`n_rounds`.",
            NoisyDeviceWarning,
        )


def _worst_of(noisy: Sequence[float], parts: Sequence[Results]) -> str:
    """Say how many of several parts are noisy, of which the worst is named."""
    if len(parts) == 1:
        return ""
    return f", in the worst of {len(noisy)} such groups of networks among {len(parts)}"


def _collect(
    space: SearchSpace,
    matrix: Matrix,
    readings: Sequence[Reading],
    setup: Mapping[str, object],
    anchor_ms: float | None,
) -> Latencies:
    rows = [(r.value, r.details["min_ms"], r.std, r.details["wall_ms"], r.n) for r in readings]
    columns = np.array(rows, dtype=float).reshape(-1, len(COLUMNS)).T  # None becomes NaN
    return Latencies(
        space=space,
        matrix=matrix,
        setup=setup,
        failures={i: r.error for i, r in enumerate(readings) if r.error is not None},
        anchor_ms=anchor_ms or float("nan"),
        **dict(zip(COLUMNS, columns, strict=True)),
    )

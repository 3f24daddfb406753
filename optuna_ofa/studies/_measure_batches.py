"""Several devices measure the subnets of a study at the same time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from optuna_ofa._progress import Bar, progress_bar
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    InvalidArgumentError,
    MeasurementError,
    SearchSpaceExhaustedError,
)
from optuna_ofa.measurements import IN_A_ROW
from optuna_ofa.problem import (
    MEASURED_BY,
    MEASURED_ON,
    MEASURED_STD,
    NOT_MEASURED,
    Evaluated,
    Kind,
    Problem,
    error_in_words,
)
from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._callbacks import Stoppable, TrialCallback, call_for
from optuna_ofa.studies._device_kinds import warn_of_other_kinds
from optuna_ofa.studies._device_values import DeviceValues, values_of
from optuna_ofa.studies._devices import Device, Job, MeasuringDevice, Returned, function_of
from optuna_ofa.studies._engine import Engine
from optuna_ofa.studies._interrupts import interrupts_to

# in a row; with more, something else than the subnets is wrong
_MOST_FAILED = 20
_DEVICE = "device"  # user attribute of a trial: the name of what measured it


class Asking(Stoppable, Protocol):
    """The study whose subnets are measured."""

    @property
    def problem(self) -> Problem:
        """What is searched for."""

    @property
    def engine(self) -> Engine:
        """Its search."""

    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind."""

    def notes(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the user attributes of trials."""

    def ask_batch(self, n: int) -> list[Asked]:
        """Return promising subnets."""


def measure_batches(
    study: Asking,
    devices: Mapping[str, MeasuringDevice | Callable[[Any], Any]],
    *,
    n: int,
    in_flight: int,
    timeout: float | None,
    measurement_timeout: float | None,
    progress: bool | None,
    callbacks: Sequence[TrialCallback],
) -> dict[str, int]:
    """See `SubnetStudy.measure_batches`."""
    budget = Budget(n_trials=n, timeout=timeout)
    with progress_bar("measuring", progress, total=n, unit="subnet") as bar:
        measuring = Measuring(
            study, devices, in_flight, budget, measurement_timeout, callbacks, bar
        )
        with measuring.ended():
            measuring.run()
    measuring.warn_failed()
    warn_of_other_kinds(study, set(devices))
    return {device.name: device.n_measured for device in measuring.devices}


class _WrongValueError(Exception):
    """What a device has returned cannot be written.

    Args:
        error: Why.
    """

    def __init__(self, error: InvalidArgumentError) -> None:
        self.error = error


class Measuring:
    """One call of `SubnetStudy.measure_batches`.

    All but the measurements happens in the thread of the caller.

    Args:
        study: The study.
        devices: What measures, by name.
        in_flight: How many subnets each device is given at a time.
        budget: How many subnets to measure.
        limit: Seconds after which a measurement has failed; None for no such limit.
        callbacks: Called with the study and each finished trial.
        bar: Shows how many are measured.
    """

    def __init__(
        self,
        study: Asking,
        devices: Mapping[str, MeasuringDevice | Callable[[Any], Any]],
        in_flight: int,
        budget: Budget,
        limit: float | None,
        callbacks: Sequence[TrialCallback],
        bar: Bar,
    ) -> None:
        self._study, self._budget, self._limit = study, budget, limit
        self._callbacks, self._bar = callbacks, bar
        self._returned: SimpleQueue[Returned | BaseException] = SimpleQueue()  # also a Ctrl-C
        self.devices = [
            Device(name, function_of(of), in_flight, self._returned) for name, of in devices.items()
        ]
        self._running: list[Job] = []
        self._waiting: list[Job] = []  # for another device
        self._failed: list[Job] = []
        self._n_failed = 0  # since one was measured
        self._marks: set[str] = set()  # of trials that are being started
        self._is_exhausted = False

    @contextlib.contextmanager
    def ended(self) -> Iterator[None]:
        """End the threads of the devices; whatever happens, no trial is left running."""
        try:
            with interrupts_to(self._interrupt):
                yield
        finally:
            for device in self.devices:
                device.end()
            left = [job.asked.trial._trial_id for job in (*self._running, *self._waiting)]
            self._study.engine.release(self._marks, left)

    def run(self) -> None:
        """Measure until the budget is spent.

        Raises:
            MeasurementError: If no device is left, or nothing can be measured.
        """
        self._study._stop_flag = False
        self._give()
        while self._running or self._may_return:
            for returned in self._next():
                self._take(returned)
            self._drop_overdue()
            self._give()
        self._settle()

    def warn_failed(self) -> None:
        """Warn if subnets could not be measured by any device."""
        if self._failed:
            job = self._failed[0]
            warn(
                f"{len(self._failed)} subnets could not be measured, the first of them trial "
                f"{job.asked.number}, {job.asked.subnet}: {_reasons(job)}.",
                FailedMeasurementWarning,
            )

    def _interrupt(self, error: BaseException) -> None:
        """End the call when it next waits: nothing is asked or told by halves."""
        self._returned.put(error)

    # ------------------------------------------------------------------ giving

    @property
    def _in_use(self) -> list[Device]:
        return [device for device in self.devices if not device.is_out]

    @property
    def _is_over(self) -> bool:
        """Whether no further measurement begins."""
        return self._study._stop_flag or self._budget.seconds_left() == 0

    def _untried(self, job: Job) -> list[Device]:
        """Return the devices that may still be able to measure a subnet."""
        return [device for device in self._in_use if device.name not in job.errors]

    def _give(self) -> None:
        """Give each device that is free a subnet: one that waits for it, or a new one."""
        if self._is_over:
            return
        for device in self.devices:
            device.end_rest()
        for job in list(self._waiting):
            if free := [device for device in self._untried(job) if device.n_free]:
                self._waiting.remove(job)
                self._start(free, job)
        n_free = sum(device.n_free for device in self._in_use)
        n_begun = len(self._running) + sum(bool(self._untried(job)) for job in self._waiting)
        n = min(n_free, self._budget.left(int) - n_begun)
        if n > 0 and not self._is_exhausted:
            for asked in self._ask(n):
                self._start(self._in_use, Job(asked))
            self._marks.clear()  # another thread may ask in the meantime, with other marks

    def _ask(self, n: int) -> list[Asked]:
        self._marks.add(self._study.engine.mark)
        try:
            asked = self._study.ask_batch(n)
        except SearchSpaceExhaustedError:
            asked = []
        self._is_exhausted = len(asked) < n
        return asked

    def _start(self, devices: Sequence[Device], job: Job) -> None:
        """Give a subnet to the device with the most room."""
        self._running.append(job)
        max(devices, key=lambda device: device.n_free).give(job)

    # ------------------------------------------------------------------ taking

    def _next(self) -> Iterator[Returned]:
        """Wait for a device, and yield all that has been returned by then.

        It yields nothing where a measurement is overdue, or the rest of a device over, first.

        Raises:
            KeyboardInterrupt: After that, if there was a Ctrl-C.
            SystemExit: After that, if there was a SIGTERM.
        """
        interrupt = None
        with contextlib.suppress(Empty):
            waits = [self._seconds_left()]
            if not self._is_over:
                waits += [device.seconds_of_rest for device in self.devices]
            ends = min((seconds for seconds in waits if seconds is not None), default=None)
            returned = self._returned.get(timeout=ends)
            while True:
                if isinstance(returned, BaseException):
                    interrupt = returned
                else:
                    yield returned
                returned = self._returned.get_nowait()
        if interrupt is not None:
            raise interrupt

    @property
    def _may_return(self) -> bool:
        """Whether all that is left are devices that hang, but not for long."""
        hangs = any(device.hangs for device in self.devices)
        return hangs and not (self._in_use or self._is_over) and self._seconds_left() != 0

    def _seconds_left(self) -> float | None:
        """Return the seconds until a measurement is overdue, or all that hang are given up."""
        if self._limit is None:
            return None
        given = [given for device in self.devices for given in device.given]
        awaited = [one.since + self._limit for one in given if not one.is_overdue]
        end = min(awaited) if awaited else max(one.since + 2 * self._limit for one in given)
        return max(0.0, end - time.monotonic())

    def _drop_overdue(self) -> None:
        """Let others measure what has not been returned in time."""
        if self._limit is None:
            return
        for device in self.devices:
            for given in device.given:
                if not given.is_overdue and given.since + self._limit <= time.monotonic():
                    given.is_overdue = True
                    error = TimeoutError(f"no result within {self._limit:g} s")
                    self._let_another(device, given.job, error)

    def _take(self, returned: Returned) -> None:
        """Tell what a device has returned, or let another one try."""
        device, given, error = returned.device, returned.given, returned.error
        device.given.remove(given)
        if given.is_overdue:  # another device may have measured it since
            return
        if error is not None and not isinstance(error, Exception):
            raise error
        if error is None:
            try:
                self._tell(device, given.job, returned.value)
                return
            except _WrongValueError as wrong:
                error = wrong.error
                if not device.n_measured:  # rather a mistake in the program than a fault
                    raise error from None
        self._let_another(device, given.job, error)

    def _let_another(self, device: Device, job: Job, error: Exception) -> None:
        rests = device.failed()
        job.errors[device.name] = error
        self._waiting.append(job)
        self._running.remove(job)
        if device.hangs:
            reason, end = "does not return", "until it does"
        elif rests:
            first = device.n_rests == 1
            reason = f"has failed {IN_A_ROW} times in a row" if first else "has failed again"
            end = f"for {device.rest_s:g} s"
        else:
            return
        warn(
            f"`devices[{device.name!r}]` {reason}, the last time with {error_in_words(error)}; it "
            f"is given no more subnets {end}.",
            FailedMeasurementWarning,
        )

    def _tell(self, device: Device, job: Job, returned: Any) -> None:
        """Write what a device has returned.

        Raises:
            _WrongValueError: If it cannot be; nothing is written then.
        """
        values = self._written(device, job.asked, returned)
        device.works()
        self._running.remove(job)
        if values is None:  # the trial is another's
            return
        if values.objectives is None:
            self._count_failed(job)
        else:
            device.n_measured += 1
            self._n_failed = 0
            self._budget.spend(1)
            self._bar.update(1)
        self._finished(job.asked)
        for other in [job for job in self._waiting if device.name in job.errors]:
            if not self._untried(other):  # the device works, so it is the subnet
                self._fail(other)

    def _written(self, device: Device, one: Asked, returned: Any) -> DeviceValues | None:
        """Write and return values; None if the trial has ended in the meantime."""
        study = self._study
        row = study.problem.space.to_matrix([one.subnet])
        where = f"What `devices[{device.name!r}]` returns"
        try:
            values = values_of(study.problem, row, returned, where)
            others = {name: [value] for name, value in values.constraints.items()}
            note: dict[str, Any] = {_DEVICE: device.name}
            if values.measured:
                note[MEASURED_BY] = {m: {MEASURED_ON: device.name} for m in values.measured}
            if values.std:
                note[MEASURED_STD] = values.std
            study.engine.tell([one], [values.objectives], others, [note], where=where)
        except InvalidArgumentError as error:
            if not study.engine.store.storage.get_trial(one.trial._trial_id).state.is_finished():
                raise _WrongValueError(error) from None
            warn(
                f"Trial {one.number}, {one.subnet}, was ended by another process before "
                f"`devices[{device.name!r}]` had measured it; its values are dropped.",
                FailedMeasurementWarning,
            )
            return None
        return values

    def _fail(self, job: Job) -> None:
        """Tell that no device can measure a subnet."""
        self._study.engine.tell([job.asked], [None], {}, [{"error": _reasons(job)}])
        self._waiting.remove(job)
        self._count_failed(job)
        self._finished(job.asked)

    def _count_failed(self, job: Job) -> None:
        self._failed.append(job)
        self._n_failed += 1
        if self._n_failed == _MOST_FAILED:
            raise MeasurementError(
                f"{_MOST_FAILED} subnets in a row could not be measured, the last of them trial "
                f"{job.asked.number}: {_reasons(job)}."
            )

    def _finished(self, one: Asked) -> None:
        if self._callbacks:
            trial = self._study.engine.store.storage.get_trial(one.trial._trial_id)
            call_for(self._study, self._callbacks, [trial])

    def _settle(self) -> None:
        """End with the subnets that no device could measure."""
        if not self._in_use:
            error = next(iter(self._waiting[-1].errors.values()))
            names = ", ".join(device.name for device in self.devices)
            hang = ", or did not return" if any(device.hangs for device in self.devices) else ""
            raise MeasurementError(
                f"No device is left: {names} failed {IN_A_ROW} times in a row{hang}, the last with "
                f"{_reasons(self._waiting[-1])}. Their subnets can be asked again."
            ) from error
        if any(device.n_measured for device in self._in_use):
            for job in [job for job in self._waiting if not self._untried(job)]:
                self._fail(job)


def _reasons(job: Job) -> str:
    """Return why devices could not measure a subnet."""
    texts = [f"{name}: {error_in_words(error)}" for name, error in job.errors.items()]
    return "; ".join(texts) or NOT_MEASURED

"""Devices that measure subnets, each in threads of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

from optuna_ofa.measurements import IN_A_ROW
from optuna_ofa.studies._ask import Asked

# how long a device that fails rests before it is tried again: as long as a phone takes to restart
REST_S = 60.0


class MeasuringDevice(Protocol):
    """An object that measures."""

    def measure(self, subnet: Any, /) -> Any:
        """Return what a function of a subnet returns; see `SubnetStudy.measure_batches`."""


def function_of(device: MeasuringDevice | Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what measures a subnet."""
    method: Callable[[Any], Any] = getattr(device, "measure", device)  # type: ignore[arg-type]
    return method


@dataclass(eq=False)
class Job:
    """A subnet to measure.

    Args:
        asked: The subnet.
        errors: What was raised, by the name of the device.
    """

    asked: Asked
    errors: dict[str, Exception] = field(default_factory=dict)


@dataclass(eq=False)
class Given:
    """A subnet that a device has been given.

    Args:
        job: The subnet.
        since: When it was given, of `time.monotonic`.
        is_overdue: Whether nothing was returned in time; the subnet may be another device's then.
    """

    job: Job
    since: float
    is_overdue: bool = False


class Returned(NamedTuple):
    """What a device has returned or raised.

    Args:
        device: The device.
        given: The subnet.
        value: What it returned.
        error: What it raised; None if it returned.
    """

    device: Device
    given: Given
    value: Any = None
    error: BaseException | None = None


class Device:
    """A device, and how it has done so far.

    Its threads are daemons: a measurement that hangs does not keep the process alive.

    Args:
        name: Its name.
        measure: Measures a subnet.
        in_flight: How many subnets it is given at a time.
        returned: Where its results go.

    Attributes:
        n_measured: How many subnets it has measured.
        n_failed: How often it has failed since it last returned something; one less than too often
            after a rest.
        n_rests: How often it has rested since then.
        given: What it has been given and has not returned.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Any], Any],
        in_flight: int,
        returned: SimpleQueue[Returned | BaseException],
    ) -> None:
        self.name, self.n_measured = name, 0
        self.n_failed = self.n_rests = 0
        self._measure, self._in_flight, self._returned = measure, in_flight, returned
        self._jobs: SimpleQueue[Given | None] = SimpleQueue()
        self.given: list[Given] = []
        self._n_threads = 0
        self._rests_until: float | None = None

    @property
    def n_free(self) -> int:
        """How many more subnets it can be given now."""
        return self._in_flight - len(self.given)

    def failed(self) -> bool:
        """Take note of a failure; return whether a rest begins, twice as long as the last one."""
        self.n_failed += 1
        if self.n_failed < IN_A_ROW or self._rests_until is not None:
            return False
        self.n_rests += 1
        self._rests_until = time.monotonic() + self.rest_s
        return True

    def works(self) -> None:
        """Take note that it has returned something."""
        self.n_failed, self.n_rests, self._rests_until = 0, 0, None

    def end_rest(self) -> None:
        """Let it be tried again if its rest is over; another failure begins the next one."""
        if self.seconds_of_rest == 0:
            self.n_failed, self._rests_until = IN_A_ROW - 1, None

    @property
    def rest_s(self) -> float:
        """How many seconds its last rest takes."""
        return REST_S * 2.0 ** (self.n_rests - 1)

    @property
    def seconds_of_rest(self) -> float | None:
        """Seconds until it can be tried again; None if it does not rest."""
        if self._rests_until is None:
            return None
        return max(0.0, self._rests_until - time.monotonic())

    @property
    def hangs(self) -> bool:
        """Whether all that it was given is overdue, so that it can do nothing else."""
        return self.n_free == 0 and all(given.is_overdue for given in self.given)

    @property
    def is_out(self) -> bool:
        """Whether it hangs, or rests because it has failed too often in a row."""
        return self.n_failed >= IN_A_ROW or self.hangs

    def end(self) -> None:
        """Let its threads end as soon as they have nothing to measure."""
        for _ in range(self._n_threads):
            self._jobs.put(None)

    def give(self, job: Job) -> None:
        """Let it measure a subnet."""
        given = Given(job, time.monotonic())
        self.given.append(given)
        if self._n_threads < len(self.given):
            self._n_threads += 1
            threading.Thread(
                target=self._work, daemon=True, name=f"optuna_ofa-device-{self.name}"
            ).start()
        self._jobs.put(given)

    def _work(self) -> None:
        while (given := self._jobs.get()) is not None:
            self._returned.put(self._measured(given))

    def _measured(self, given: Given) -> Returned:
        try:
            return Returned(self, given, self._measure(given.job.asked.subnet))
        except BaseException as error:  # also what ends a thread: the job would be lost
            return Returned(self, given, error=error)

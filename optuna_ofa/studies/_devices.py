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
        n_failed: How often it has failed since it last returned something.
        given: What it has been given and has not returned.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Any], Any],
        in_flight: int,
        returned: SimpleQueue[Returned | BaseException],
    ) -> None:
        self.name, self.n_measured, self.n_failed = name, 0, 0
        self._measure, self._in_flight, self._returned = measure, in_flight, returned
        self._jobs: SimpleQueue[Given | None] = SimpleQueue()
        self.given: list[Given] = []
        self._n_threads = 0

    @property
    def n_free(self) -> int:
        """How many more subnets it can be given now."""
        return self._in_flight - len(self.given)

    @property
    def hangs(self) -> bool:
        """Whether all that it was given is overdue, so that it can do nothing else."""
        return self.n_free == 0 and all(given.is_overdue for given in self.given)

    @property
    def is_out(self) -> bool:
        """Whether it hangs, or has failed too often in a row to be given more."""
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

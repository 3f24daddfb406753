"""Devices that measure subnets, each in threads of its own."""

from __future__ import annotations

import threading
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


class Returned(NamedTuple):
    """What a device has returned or raised.

    Args:
        device: The device.
        job: The subnet.
        value: What it returned.
        error: What it raised; None if it returned.
    """

    device: Device
    job: Job
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
        n_free: How many more subnets it can be given now.
    """

    def __init__(
        self,
        name: str,
        measure: Callable[[Any], Any],
        in_flight: int,
        returned: SimpleQueue[Returned | None],
    ) -> None:
        self.name, self.n_measured, self.n_free = name, 0, in_flight
        self._n_failed = 0  # since it returned something
        self._measure, self._returned = measure, returned
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._n_given = self._n_threads = 0

    @property
    def is_out(self) -> bool:
        """Whether it has failed too often in a row to be given more."""
        return self._n_failed >= IN_A_ROW

    def end(self) -> None:
        """Let its threads end as soon as they have nothing to measure."""
        for _ in range(self._n_threads):
            self._jobs.put(None)

    def give(self, job: Job) -> None:
        """Let it measure a subnet."""
        self.n_free, self._n_given = self.n_free - 1, self._n_given + 1
        if self._n_threads < self._n_given:
            self._n_threads += 1
            threading.Thread(
                target=self._work, daemon=True, name=f"optuna_ofa-device-{self.name}"
            ).start()
        self._jobs.put(job)

    def note(self, returned: Returned) -> None:
        """Take note of what it has returned or raised."""
        self.n_free, self._n_given = self.n_free + 1, self._n_given - 1
        self._n_failed = 0 if returned.error is None else self._n_failed + 1

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._returned.put(self._measured(job))

    def _measured(self, job: Job) -> Returned:
        try:
            return Returned(self, job, self._measure(job.asked.subnet))
        except BaseException as error:  # also what ends a thread: the job would be lost
            return Returned(self, job, error=error)

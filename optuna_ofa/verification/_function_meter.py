"""A meter that calls a function of the user."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from optuna_ofa._progress import Bar, progress_bar
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError, OptunaOFAError
from optuna_ofa.executors import Executor, Shared, refuse_unsendable, run_tasks
from optuna_ofa.measurements import IN_A_ROW, Claims, MeasurementTable, Reading, Sharing
from optuna_ofa.problem import error_in_words
from optuna_ofa.space import Matrix, SearchSpace, Subnet
from optuna_ofa.verification._call import Call, Outcome, in_order, outcome_on_worker
from optuna_ofa.verification._meter import ALL, Meter, Readings

_OF_THE_DEVICE = "latency_ms"  # is measured here, because two measurements disturb each other


class FunctionMeter(Meter):
    """A meter that calls a function of one subnet after the other, or of several on workers.

    Its values are remembered, written immediately to the study's database if that is relational,
    and not measured again; processes that verify the same study share the subnets. `OSError`,
    including `ConnectionError` and `TimeoutError`, means that the device is gone, and so do three
    errors of any kind in a row; any other error concerns a single subnet.

    Args:
        metric: The metric.
        function: Takes a subnet and returns a number, or a number and its standard deviation;
            None or NaN where it could not be measured.

    Raises:
        InvalidArgumentError: If it is not a function.
    """

    def __init__(self, metric: str, function: Callable[[Subnet], Any]) -> None:
        if not callable(function):
            raise InvalidArgumentError(
                f"`measure[{metric!r}]` must be a Meter or a function of a subnet, but got "
                f"{function!r}."
            )
        self._metric, self._function = metric, function
        self._known: dict[Subnet, tuple[float, float]] = {}
        self._written: list[Subnet] = []  # by the last call
        self._table: MeasurementTable | None = None
        self._executor: Executor | None = None
        self._progress: bool | None = False

    def on(self, executor: Executor, *, progress: bool | None = False) -> Meter:
        """Return a meter that calls the function on workers, or here if it measures latency."""
        if self._metric == _OF_THE_DEVICE:
            return self
        other = copy.copy(self)
        other._executor, other._progress, other.n_together = executor, progress, ALL
        return other

    def forget(self) -> None:
        """Delete what the last call has written, because it belongs to something else."""
        if self._table is not None:
            self._table.remove(self._written, self._metric)
        self._known.clear()

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Call the function until all subnets have their numbers or the device is gone."""
        subnets = space.from_matrix(matrix)
        self._table, self._written = None, []
        if storage is not None:
            self._table = MeasurementTable(storage, space.family, self._setup(storage))
            self._look(subnets)
        title = f"calling `measure[{self._metric!r}]`"
        with progress_bar(title, self._progress, total=len(subnets), unit="subnet") as bar:
            failures, stopped = self._failures(subnets, bar)
        nothing = (np.nan, np.nan)
        values, std = np.array([self._known.get(subnet, nothing) for subnet in subnets]).T
        return Readings(values, std, failures, stopped, self._facts())

    def _setup(self, storage: optuna.Study) -> Mapping[str, Any]:
        """Return what identifies the values in a database, besides the subnet."""
        return {"study": storage.study_name, "measured_by": "function"}

    def _facts(self) -> Mapping[str, Any]:
        """Return what is known of how the values were measured."""
        return {"measured_by": getattr(self._function, "__qualname__", repr(self._function))}

    def _failures(
        self, subnets: Sequence[Subnet], bar: Bar
    ) -> tuple[dict[int, str], Exception | None]:
        """Measure subnets; return why some have no number, and the error that ended it."""
        failures: dict[int, str] = {}
        in_a_row = 0
        try:
            for i, outcome in enumerate(in_order(_counted(self._outcomes(subnets, bar), bar))):
                if outcome.ends:
                    return failures, outcome.error
                if outcome.reason:
                    failures[i] = outcome.reason
                in_a_row = in_a_row + 1 if outcome.error is not None else 0
                if in_a_row == IN_A_ROW:
                    return {}, outcome.error
        except MeasurementError as error:  # of the engine; the others have their numbers
            return failures, error
        return failures, None

    def _outcomes(self, subnets: Sequence[Subnet], bar: Bar) -> Iterator[tuple[int, Outcome]]:
        """Yield the numbers of subnets with their outcomes, which are written, as they come."""
        left = {subnet: i for i, subnet in enumerate(subnets)}
        claims = self._claims()
        sharing = Sharing(claims, settle=lambda: None, say=bar.say)
        with claims or contextlib.nullcontext():
            for missing in sharing.rounds(lambda: list(left), self._look):
                for subnet in [s for s in missing if s in self._known]:
                    yield left.pop(subnet), Outcome(*self._known[subnet])
                for subnet, outcome in self._called([s for s in missing if s in left], sharing):
                    if outcome.measured:  # otherwise it is measured again by the next call
                        if self._table is not None and claims is not None:
                            reading = self._reading(outcome.value, outcome.std)
                            if not self._table.add_claimed([(subnet, reading)], claims):
                                continue  # the value of whoever took it over counts
                            self._written.append(subnet)
                        self._known[subnet] = outcome.value, outcome.std
                    yield left.pop(subnet), outcome

    def _called(
        self, subnets: Sequence[Subnet], sharing: Sharing
    ) -> Iterator[tuple[Subnet, Outcome]]:
        """Call the function with the subnets that no other caller measures."""
        claimed: list[Subnet] = []

        def calls() -> Iterator[Call]:
            rest = subnets
            while rest:
                group, rest = sharing.take(rest, 1, self._new)
                for subnet in group:
                    claimed.append(subnet)
                    yield Call(self._metric, self._function, subnet)

        yield from ((claimed[i], outcome) for i, outcome in self._calls(calls()))

    def _calls(self, calls: Iterator[Call]) -> Iterator[tuple[int, Outcome]]:
        """Call the function, one call after the other or on the workers."""
        if self._executor is None:
            yield from ((i, call.outcome()) for i, call in enumerate(calls))
        else:
            yield from self._calls_on(self._executor, calls)

    def _calls_on(
        self, executor: Executor, calls: Iterator[Call], shared: Shared | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Call the function on workers, which may need what is shared."""
        found = run_tasks(
            executor,
            outcome_on_worker,
            calls,
            shared=shared,
            describe=lambda call: str(call.subnet),
        )
        try:
            yield from found
        except OptunaOFAError:
            raise
        except Exception as error:  # of the way to a worker: those of the function are outcomes
            refuse_unsendable(f"measure[{self._metric!r}]", self._function, error)
            raise MeasurementError(f"`executor` failed with {error_in_words(error)}") from error

    def _claims(self) -> Claims | None:
        """Return the claims of this caller; None without a database."""
        if self._table is None:
            return None
        return self._table.claims({"metric": self._metric})

    def _look(self, subnets: Sequence[Subnet]) -> None:
        """Read what others have measured."""
        if self._table is not None and subnets:
            self._known |= self._read(self._table.read(subnets))

    def _new(self, claimed: list[Subnet]) -> list[Subnet]:
        """Return those of the claimed subnets that nobody has measured meanwhile."""
        self._look(claimed)
        return [subnet for subnet in claimed if subnet not in self._known]

    def _read(self, stored: dict[Subnet, list[Reading]]) -> dict[Subnet, tuple[float, float]]:
        """Return the newest value of each subnet that has one."""
        return {
            subnet: (reading.value, np.nan if reading.std is None else reading.std)
            for subnet, readings in stored.items()
            for reading in readings
            if reading.metric == self._metric and reading.value is not None
        }

    def _reading(self, value: float, std: float) -> Reading:
        return Reading(self._metric, value, None if np.isnan(std) else std, 1, {})


def _counted(outcomes: Iterator[tuple[int, Outcome]], bar: Bar) -> Iterator[tuple[int, Outcome]]:
    for one in outcomes:
        bar.update()
        yield one

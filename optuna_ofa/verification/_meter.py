"""Meters, which measure one metric of subnets."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray

from optuna_ofa._plausible import numbers, require_plausible, require_std
from optuna_ofa.evaluation import Partial
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.measurements import IN_A_ROW, MeasurementTable, Reading
from optuna_ofa.problem import NOT_MEASURED, error_in_words
from optuna_ofa.profiling import is_device_error
from optuna_ofa.space import Matrix, SearchSpace, Subnet
from optuna_ofa.verification._entrants import Entrants


class Readings(NamedTuple):
    """A batch of readings: one metric of some subnets, in its unit.

    Args:
        values: ``(n,)`` values; NaN where there is none.
        std: ``(n,)`` standard deviations; NaN where they are not known.
        failures: Reasons why a subnet has no value, by row.
        stopped: The error that ended measuring before all subnets were measured, if any.
        setup: Everything except the subnet that the values depend on (JSON): images, weights,
            calibration, runtime, precision, device and so on, as far as it is known.
        on_fitted: ``(n,)`` the values on the images that the predictor was fitted on; None where
            that was not measured.
        n_images: ``(n,)`` number of images behind each accuracy, 0 where there is none; None for
            a metric that is not measured on images.
        partial: Accuracies of subnets that stopped early, estimated from some of the images, by
            row; they have no value.
    """

    values: NDArray[np.float64]
    std: NDArray[np.float64]
    failures: Mapping[int, str]
    stopped: Exception | None = None
    setup: Mapping[str, Any] = MappingProxyType({})
    on_fitted: NDArray[np.float64] | None = None
    n_images: NDArray[np.int64] | None = None
    partial: Mapping[int, Partial] = MappingProxyType({})

    @staticmethod
    def nothing(n: int, stopped: Exception) -> Readings:
        """Return a batch without a value for any of ``n`` subnets."""
        return Readings(np.full(n, np.nan), np.full(n, np.nan), {}, stopped)


class Meter(abc.ABC):
    """A meter of one metric of a batch of subnets. Called by `SubnetStudy.verify`.

    An exception ends measuring: an error of this package is raised unchanged, any other one as
    `MeasurementError`. A single subnet that fails is a row of `Readings.failures`; three failures
    in a row also end measuring.

    Attributes:
        races: Whether a subnet may stop early because of its other objectives, which are then
            measured first.
        n_together: Number of subnets that are best measured at once; an interruption loses at most
            these.
        precision: The number format of the measured networks, ``"float32"``, ``"int8"`` and so
            on, which all measured trials of a study share; None where it is not known.
    """

    n_together: int = 8
    races: bool = False
    precision: str | None = None

    def measure_among(self, batch: Entrants, storage: optuna.Study | None) -> Readings:
        """Measure a batch whose other objectives are known; all of it, unless the meter races.

        Args:
            batch: The subnets, and those of the study that were measured before.
            storage: As in `measure`.
        """
        return self.measure(batch.space, batch.new, storage)

    @abc.abstractmethod
    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Measure a batch.

        Args:
            space: The space of the matrix.
            matrix: ``(n, n_genes)`` canonical genotypes, each once.
            storage: A study in a relational database, whose table of measurements may be read
                and written; None where there is none.
        """


class FunctionMeter(Meter):
    """A meter that calls a function of one subnet after the other.

    Its values are remembered, written immediately to the study's database if that is relational,
    and not measured again. `OSError`, including `ConnectionError` and `TimeoutError`, means that
    the device is gone, and so do three errors of any kind in a row; any other error concerns a
    single subnet.

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

    def forget(self) -> None:
        """Delete what the last call has written, because it belongs to something else."""
        if self._table is not None:
            self._table.remove(self._written, self._metric)
        self._known.clear()

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Call the function until all subnets have their numbers or the device is gone."""
        subnets = space.from_matrix(matrix)
        table = None
        known = self._known
        if storage is not None:
            setup = {"study": storage.study_name, "measured_by": "function"}
            table = MeasurementTable(storage, space.family, setup)
            known |= self._read(table.read(subnets))
        self._table, self._written = table, []
        values, std = np.full((2, len(subnets)), np.nan)
        failures: dict[int, str] = {}
        in_a_row = 0
        for i, subnet in enumerate(subnets):
            if subnet not in known:
                try:
                    known[subnet] = self._checked(self._function(subnet))
                except InvalidArgumentError as error:
                    return Readings(values, std, failures, error)
                except Exception as error:
                    if is_device_error(error):
                        return Readings(values, std, failures, error)
                    failures[i] = error_in_words(error)
                    in_a_row += 1
                    if in_a_row == IN_A_ROW:
                        return Readings(values, std, {}, error)
                    continue
                if table is not None and not np.isnan(known[subnet][0]):
                    table.add([(subnet, self._reading(*known[subnet]))])
                    self._written.append(subnet)
            in_a_row = 0
            values[i], std[i] = known[subnet]
            if np.isnan(values[i]):  # and measured again by the next call
                failures[i] = NOT_MEASURED
                del known[subnet]
        by = {"measured_by": getattr(self._function, "__qualname__", repr(self._function))}
        return Readings(values, std, failures, setup=by)

    def _checked(self, returned: Any) -> tuple[float, float]:
        """Return a number and its standard deviation, NaN where there is none."""
        where = f"`measure[{self._metric!r}]`"
        given = numbers(returned, f"What {where} returns")
        if given.shape not in ((1,), (2,)) or np.isinf(given).any():
            raise InvalidArgumentError(
                f"{where} must return a finite number, or that and its standard deviation, or "
                f"None where there is none, but returned {returned!r}."
            )
        require_plausible(self._metric, given[0], where)
        require_std(given[1:], where)
        return float(given[0]), float(given[1]) if len(given) > 1 else np.nan

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

"""Meters, which measure one metric of subnets."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray

from optuna_ofa.evaluation import Partial
from optuna_ofa.executors import Executor
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.verification._entrants import Entrants

ALL = 2**31  # of `n_together`: all subnets of a call


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
        runtime: The runtime of the measured networks, which they also share.
    """

    n_together: int = 8
    races: bool = False
    precision: str | None = None
    runtime: str | None = None

    def on(self, executor: Executor, *, progress: bool | None = False) -> Meter:
        """Return the meter that measures on the workers of an executor, with the same memory.

        This one, which measures in this process, unless a subclass can do otherwise.

        Args:
            executor: The executor.
            progress: Whether to show a progress bar of the subnets of a batch, which has many more
                of them than without an executor; None shows it on a terminal only.

        Raises:
            InvalidArgumentError: If its settings do not go with an executor.
        """
        return self

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

"""What measures one metric."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray

from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix


class Readings(NamedTuple):
    """What was measured of some subnets, in the metric's unit.

    Args:
        values: ``(n,)`` numbers; NaN where there is none.
        std: ``(n,)`` standard deviations; NaN where they are not known.
        failures: Why a subnet has no number, by row.
        stopped: What ended the measuring before all subnets had their turn; None if all had.
    """

    values: NDArray[np.float64]
    std: NDArray[np.float64]
    failures: Mapping[int, str]
    stopped: Exception | None = None

    @staticmethod
    def nothing(n: int, stopped: Exception) -> Readings:
        """No number of ``n`` subnets."""
        return Readings(np.full(n, np.nan), np.full(n, np.nan), {}, stopped)


class Meter(abc.ABC):
    """Measures one metric of a batch of subnets. Called by `SubnetStudy.verify`.

    What it raises ends the measuring: an error of this package as it is, any other one as
    `MeasurementError`. One subnet that fails is a row of `Readings.failures`.

    Attributes:
        n_together: How many subnets are best measured at once. What is killed loses no more.
    """

    n_together: int = 8

    @abc.abstractmethod
    def measure(
        self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None
    ) -> Readings:
        """Measure a batch.

        Args:
            space: The space of the matrix.
            matrix: ``(n, n_genes)`` canonical genotypes, each once.
            storage: A study in a relational database, whose table of measurements may be read
                and written; None where there is none.
        """

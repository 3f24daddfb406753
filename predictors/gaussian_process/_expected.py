"""What is expected of subnets before any of them is measured, as features of a process."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._thermometer import GaussianProcessInputs, LocalFeatures
from optuna_ofa.space import Matrix, SearchSpace


class Expected(abc.ABC):
    """Columns that are known of any subnet beforehand. Called by `GaussianProcess`.

    Attributes:
        n_columns: Number of columns. The first has the expected values of the measured quantity,
            the others explain deviations from these.
        slope: The measured values are expected to grow with those of the first column by this.
    """

    n_columns: int = 1
    slope: float = 1.0

    @abc.abstractmethod
    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_columns)`` numbers, those of a subnet bit-identical in every batch."""

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return the columns near some subnets, exact at these; None if only `__call__` can."""
        return None

    def familiar(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return for which subnets the expected value is no extrapolation, ``(n,)``."""
        return np.zeros(len(matrix), dtype=bool)

    def to_dict(self) -> dict[str, Any]:
        """Return what `CorrectedProcess.to_dict` stores of it, JSON-ready."""
        raise NotImplementedError


class Untrusted(Expected):
    """The columns of another, with a slope of 0: they are features like others.

    Args:
        expected: The other.
    """

    slope = 0.0

    def __init__(self, expected: Expected) -> None:
        self._expected, self.n_columns = expected, expected.n_columns

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_columns)`` numbers."""
        return self._expected(matrix)

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return the columns near some subnets."""
        return self._expected.local(anchors)


class _Known:
    """What was computed last; each one attribute, for thread safety, and none in a pickle."""

    def __init__(self) -> None:
        self.columns: tuple[bytes, NDArray[np.float64]] = (b"", np.empty(0))
        self.near: tuple[bytes, LocalFeatures | None] = (b"", None)

    def __reduce__(self) -> tuple[type[_Known], tuple[()]]:
        return _Known, ()


class Remembered(Expected):
    """The columns of another, which is asked once where several processes need the same.

    Args:
        expected: The other.
    """

    def __init__(self, expected: Expected) -> None:
        self._expected, self.n_columns = expected, expected.n_columns
        self._known = _Known()

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_columns)`` numbers."""
        key, (before, columns) = matrix.tobytes(), self._known.columns
        if key != before:
            columns = self._expected(matrix)
            self._known.columns = key, columns
        return columns

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return the columns near some subnets."""
        key, (before, near) = anchors.tobytes(), self._known.near
        if key != before:
            near = _once(self._expected.local(anchors))
            self._known.near = key, near
        return near

    def familiar(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return what the other does."""
        return self._expected.familiar(matrix)

    def to_dict(self) -> dict[str, Any]:
        """Return the other."""
        return self._expected.to_dict()


def _once(near: LocalFeatures | None) -> LocalFeatures | None:
    if near is None:
        return None
    known: tuple[bytes, bytes, NDArray[np.float64]] = (b"", b"", np.empty(0))

    def remembered(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
        nonlocal known
        keys, (*before, columns) = (matrix.tobytes(), anchor.tobytes()), known
        if list(keys) != before:
            columns = near(matrix, anchor)
            known = (*keys, columns)
        return columns

    return remembered


class ExpectingInputs(GaussianProcessInputs):
    """`GaussianProcessInputs` with the columns of an `Expected` at the end, each its own group.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` measured subnets.
        expected: The columns.
        unit: What the expected values are divided by: the scale of the process.
    """

    def __init__(
        self, space: SearchSpace, matrix: Matrix, *, expected: Expected, unit: float
    ) -> None:
        super().__init__(space, matrix)
        self._columns = expected
        self._units = np.r_[unit, np.ones(expected.n_columns - 1)]
        columns = expected(matrix) / self._units
        mean = columns.mean(axis=0)
        self.mean = np.r_[self.mean, mean]
        self.features = np.hstack([self.features, columns - mean])
        own = np.arange(expected.n_columns)
        self.groups = np.r_[self.groups, self.groups.max() + 1 + own]
        self.expected = np.r_[self.expected, expected.slope * (own == 0)]

    @property
    def of_several(self) -> NDArray[np.intp]:
        """Return the features that depend on several genes: costs, and the columns."""
        n = len(self.groups)
        return np.append(super().of_several, np.arange(n - self._columns.n_columns, n))

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return these features near some subnets, before the mean is subtracted."""
        columns = self._columns.local(anchors)
        if columns is None:
            return None
        return lambda matrix, anchor: np.hstack(
            [self.thermometer.costs(matrix), columns(matrix, anchor) / self._units]
        )

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` numbers."""
        own = self.thermometer(matrix)  # first, because it checks the rows
        columns = self._columns(matrix) / self._units
        return np.asarray(np.hstack([own, columns]) - self.mean)

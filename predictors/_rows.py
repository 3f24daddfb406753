"""Measured accuracies for a fit: checked, with each subnet once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._arguments import argument_called
from optuna_ofa._plausible import numbers, require_plausible
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Matrix, SearchSpace, Subnet, first_of_each, keys_of

LEAST_SUBNETS = 5
LEAST_WITH_PRIOR = 3  # of other weights


class MeasuredRows(NamedTuple):
    """Different subnets with their mean accuracies.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        top1: ``(n,)`` means in percent.
        counts: ``(n,)`` how often each was measured.
    """

    matrix: Matrix
    top1: NDArray[np.float64]
    counts: NDArray[np.int64]

    def select(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> MeasuredRows:
        """Return some of the rows."""
        return MeasuredRows(self.matrix[which], self.top1[which], self.counts[which])


def measured_rows(
    space: SearchSpace, subnets: Iterable[Subnet] | Matrix, top1: ArrayLike
) -> MeasuredRows:
    """Check measurements and average those of the same subnet; see `checked_rows`."""
    return averaged(*checked_rows(space, subnets, top1))


def checked_rows(
    space: SearchSpace,
    subnets: Iterable[Subnet] | Matrix,
    top1: ArrayLike,
    *,
    least: int = LEAST_SUBNETS,
) -> tuple[Matrix, NDArray[np.float64]]:
    """Return measurements one by one: canonical genotypes and accuracies.

    Raises:
        InvalidSubnetError: If a subnet does not belong to the space.
        InvalidArgumentError: If the lengths differ, a value is not a percentage, there are fewer
            than ``least`` different subnets, or all accuracies are equal.
    """
    with argument_called("subnets", "matrix"):
        matrix = (
            space.canonicalize(space.check(subnets))
            if isinstance(subnets, np.ndarray)
            else space.to_matrix(subnets)
        )
    values = _percentages(top1, len(matrix))
    n_different = len(first_of_each(keys_of(matrix)))
    if n_different < least:
        raise InvalidArgumentError(
            f"`subnets` must be at least {least} different ones, but got {n_different}."
        )
    if values.max() <= 1:
        raise InvalidArgumentError(
            f"`top1` must be in percent, but got fractions, at most {values.max()}; multiply by "
            f"100."
        )
    if np.ptp(values) == 0:
        raise InvalidArgumentError(
            f"`top1` must differ between subnets, but all {len(values)} are {values[0]}; was the "
            f"batch normalisation recalibrated?"
        )
    return matrix, values


def averaged(matrix: Matrix, values: NDArray[np.float64]) -> MeasuredRows:
    """Return each subnet once, with the mean of its values of any quantity."""
    unique, group, counts = np.unique(matrix, axis=0, return_inverse=True, return_counts=True)
    group = group.ravel()  # numpy 2.0 gives it two dimensions
    return MeasuredRows(unique, np.bincount(group, values) / counts, counts.astype(np.int64))


def _percentages(top1: ArrayLike, n: int) -> NDArray[np.float64]:
    values = numbers(top1, "`top1`")
    if values.shape != (n,) or not np.isfinite(values).all():
        raise InvalidArgumentError(
            f"`top1` must be {n} finite numbers, one for each of `subnets`, but got shape "
            f"{values.shape} with {int((~np.isfinite(values)).sum())} that are not finite."
        )
    require_plausible("top1", values, "`top1`")
    return values

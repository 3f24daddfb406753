"""Measured accuracies for a fit, without the offsets of those who measured them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import GroupWarning
from optuna_ofa.predictors._groups import Labels, numbered_groups, read_groups
from optuna_ofa.predictors._offsets import fit_offsets
from optuna_ofa.predictors._rows import LEAST_SUBNETS, MeasuredRows, averaged, checked_rows
from optuna_ofa.predictors._run_order import run_breaks
from optuna_ofa.space import Matrix, SearchSpace, Subnet

_MOST_SHOWN = 6


def rows_without_offsets(
    space: SearchSpace,
    subnets: Iterable[Subnet] | Matrix,
    top1: ArrayLike,
    group: Labels | None,
    *,
    least: int = LEAST_SUBNETS,
    expected: Callable[[Matrix], NDArray[np.float64]] | None = None,
) -> tuple[MeasuredRows, dict[str, Any]]:
    """Check measurements, subtract the offsets of their groups, and average those of a subnet.

    Args:
        space: The space of the subnets.
        subnets: ``n`` subnets, or a genotype matrix.
        top1: ``(n,)`` percent.
        group: ``(n,)`` labels; None if there are none.
        least: The smallest number of different subnets.
        expected: Returns what is known of genotypes beforehand, ``(n, n_columns)``: the values
            are roughly a linear function of it.

    Returns:
        The rows, and an entry ``groups`` for the predictor's metadata if there are any.

    Raises:
        InvalidSubnetError, InvalidArgumentError: As `checked_rows` and `read_groups`.

    Warns:
        GroupWarning: There are no labels, but rows seem to have offsets; or some cannot be known.
    """
    matrix, values = checked_rows(space, subnets, top1, least=least)
    known = None if expected is None else expected(matrix)
    if group is None:
        _warn_of_runs(space, matrix, values, known)
        return averaged(matrix, values), {}
    offsets = fit_offsets(space, matrix, values, read_groups(group, len(values)), known)
    return averaged(matrix, values - offsets.of_rows()), {"groups": offsets.to_dict()}


def _warn_of_runs(
    space: SearchSpace,
    matrix: Matrix,
    values: NDArray[np.float64],
    known: NDArray[np.float64] | None,
) -> None:
    """Warn of runs of rows that seem to have been measured by others than the rest."""
    left = values if known is None else values - _on_line(known, values)
    breaks = run_breaks(space, matrix, left)
    if not len(breaks):
        return
    runs = np.searchsorted(breaks, np.arange(len(values)), side="right")
    offsets = fit_offsets(space, matrix, values, numbered_groups(runs), known).values
    ends = [0, *breaks.tolist(), len(values)]
    texts = [f"{ends[i]} to {ends[i + 1] - 1} {offset:+.2g}" for i, offset in enumerate(offsets)]
    shown = ", ".join(texts[:_MOST_SHOWN]) + ", ..." * (len(texts) > _MOST_SHOWN)
    warn(
        f"`top1` seems to be from {len(offsets)} groups with offsets, in the order of the rows "
        f"(p < 0.001): rows {shown} points. If several workers, parts of "
        f"the images or days measured them, pass `group=`, a label for each row.",
        GroupWarning,
    )


def _on_line(known: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    columns = np.column_stack([np.ones(len(values)), known])
    return np.asarray(columns @ np.linalg.lstsq(columns, values, rcond=None)[0])

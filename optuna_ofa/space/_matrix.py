"""Genotype matrices, and the keys of their rows."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._rules import Rule

Matrix = Annotated[
    NDArray[np.int16],
    Rule("a matrix of whole numbers, one subnet per row", lambda matrix: matrix.ndim == 2),
]
# `SearchSpace.enumerate` lists spaces of up to this many subnets.
MAX_LISTED = 1_000_000

Keys = NDArray[np.uint64]


def keys_of(matrix: Matrix) -> Keys:
    """Return a 64-bit key for each row, ``(n,)``: equal for equal rows.

    Two different rows have the same key with a probability of about 2^-64, which is 10^-6 in total
    for a million subnets and ten million candidates; one subnet would then not be proposed.
    """
    # `@` takes half as long again, because BLAS has no products of integers
    return np.asarray(np.einsum("ij,j->i", matrix.astype(np.uint64), _factors(matrix.shape[1])))


def absent(matrix: Matrix, others: Matrix) -> NDArray[np.bool_]:
    """Return which rows are not among others, ``(n,)``, by comparing keys."""
    return ~np.isin(keys_of(matrix), keys_of(others))


@cache
def _factors(n_genes: int) -> Keys:
    """Return odd random numbers, the same in every process."""
    factors = np.random.default_rng(0).integers(2**64, size=n_genes, dtype=np.uint64)
    return factors | np.uint64(1)


def first_of_each(keys: Keys) -> NDArray[np.intp]:
    """Return the index of the first occurrence of each key, ascending."""
    return np.sort(np.unique(keys, return_index=True)[1])

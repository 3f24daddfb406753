"""Lower triangular matrices as they are in files: their numbers, row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers of an ``(n, n)`` lower triangular matrix, ``(n (n + 1) / 2,)``."""
    return np.asarray(matrix[np.tril_indices(len(matrix))])


def unpacked(numbers: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Return the ``(n, n)`` matrix of what `packed` returned."""
    matrix = np.zeros((n, n))
    matrix[np.tril_indices(n)] = numbers
    return matrix

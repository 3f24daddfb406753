"""Products of NumPy whose rows are computed independently, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Rows of each product: the last bits of a product depend on its size. With 8, one subnet takes half
# of the time of 16, and many take an eighth longer.
ROWS = 8
# OpenBLAS computes products of up to this many multiply-adds on one thread. Several wait for each
# other, which takes milliseconds if other programs use the processor too.
_MOST = 2**18
_MOST_INPUTS = 512
_SMALL = 32
# numbers of a piece's largest array, which stays in the processor's cache
_PIECE = 2**17


class RowProduct:
    """Rows times a matrix, in products of one size: a row's bits are the same in every batch.

    Args:
        matrix: ``(n_inputs, n_outputs)``.
    """

    def __init__(self, matrix: Array) -> None:
        n_inputs, self._n_outputs = matrix.shape
        n = -(-self._n_outputs // max(1, _MOST // (ROWS * min(n_inputs, _MOST_INPUTS))))
        parts = [slice(i, i + _MOST_INPUTS) for i in range(0, n_inputs, _MOST_INPUTS)]
        self._parts = [(part, _tiles(matrix[part], n)) for part in parts]

    def __call__(self, rows: Array) -> Array:
        """Return ``(n, n_outputs)`` for ``(n, n_inputs)``, where `ROWS` divides ``n``."""
        blocks = rows.reshape(-1, 1, ROWS, rows.shape[1])
        (which, tiles), *others = self._parts
        total = blocks[..., which] @ tiles
        for which, tiles in others:
            total += blocks[..., which] @ tiles
        outputs = total.transpose(0, 2, 1, 3).reshape(len(rows), -1)
        return np.ascontiguousarray(outputs[:, : self._n_outputs])


def _tiles(matrix: Array, n: int) -> Array:
    """Return the columns in ``n`` groups, each multiplied alone, ``(n, n_inputs, width)``."""
    n_inputs, n_outputs = matrix.shape
    padded = np.zeros((n_inputs, -(-n_outputs // n) * n))
    padded[:, :n_outputs] = matrix
    return np.ascontiguousarray(padded.reshape(n_inputs, n, -1).swapaxes(0, 1))


def inverse_root(matrix: Array) -> Array:
    """Return the inverse of the lower Cholesky factor, with the same bits on any number of threads.

    Raises:
        numpy.linalg.LinAlgError: If the matrix is not positive definite.
    """
    return _root_and_inverse(matrix)[1]


def _root_and_inverse(matrix: Array) -> tuple[Array, Array]:
    n = len(matrix)
    root: Array
    if n <= _SMALL:
        root = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
        return root, np.tril(np.linalg.inv(root))
    half = n // 2
    root, inverse = np.zeros((n, n)), np.zeros((n, n))
    first, last = slice(half), slice(half, n)
    root[first, first], inverse[first, first] = _root_and_inverse(matrix[first, first])
    below = root[last, first] = _product(matrix[last, first], inverse[first, first].T)
    left = matrix[last, last] - _product(below, below.T)
    root[last, last], inverse[last, last] = _root_and_inverse(left)
    inverse[last, first] = -_product(inverse[last, last], _product(below, inverse[first, first]))
    return root, inverse


def _product(a: Array, b: Array) -> Array:
    return RowProduct(b)(padded(a))[: len(a)]


def in_pieces(function: Callable[[slice], Array], n: int, width: int) -> Array:
    """Return what a function returns for slices of ``n`` rows, on all cores, joined.

    Args:
        function: Takes a slice, and returns an array with a row for each of its rows.
        n: Number of rows.
        width: Length of a row of the largest array that the function computes.
    """
    size = rows_at_a_time(width)
    pieces = [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]
    workers = min(_n_cores(), len(pieces))
    if workers == 1 or n < 1024:
        return np.concatenate([function(piece) for piece in pieces])
    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(function, pieces)))


def rows_at_a_time(width: int) -> int:
    """Return how many rows of this length are computed at once."""
    return max(1, _PIECE // (ROWS * width)) * ROWS


def padded(rows: Array) -> Array:
    """Return rows with zeros at the end, until `ROWS` divides their number."""
    missing = -len(rows) % ROWS if len(rows) else ROWS
    return np.concatenate([rows, np.zeros((missing, rows.shape[1]))]) if missing else rows


def _n_cores() -> int:
    """Return how many threads may compute, as numerical libraries do."""
    limit = os.environ.get("OMP_NUM_THREADS", "")
    has_affinity = hasattr(os, "sched_getaffinity")
    n = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return min(n, int(limit)) if limit.isdecimal() and int(limit) else n

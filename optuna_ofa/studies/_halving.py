"""Finding the few rows of a batch that a predictor raises for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from optuna_ofa._errors import PredictionError
from optuna_ofa.space._space import Matrix

T = TypeVar("T")


def in_parts(call: Callable[[Matrix], T], matrix: Matrix) -> list[tuple[int, T | Exception]]:
    """Call with the whole batch, and with halves of what raises, down to single rows.

    Args:
        call: Takes ``(n, n_genes)`` genotypes. A `PredictionError` is passed on, for a predictor
            that returns no numbers is wrong as a whole.
        matrix: The batch.

    Returns:
        Number of rows and result of each part, in their order; an error has one row.
    """
    if len(matrix) == 0:
        return []
    try:
        return [(len(matrix), call(matrix))]
    except PredictionError:
        raise
    except Exception as error:
        if len(matrix) == 1:
            return [(1, error)]
    half = len(matrix) // 2
    return in_parts(call, matrix[:half]) + in_parts(call, matrix[half:])

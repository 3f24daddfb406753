"""The costs that subnets race on, as an argument."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError


def are_costs(value: Any) -> bool:
    """Whether a value is an array or a sequence of finite numbers, one or several a row."""
    if not isinstance(value, np.ndarray | list | tuple):
        return False
    numbers = np.asarray(value)
    is_numeric = numbers.dtype.kind in "iuf"
    return is_numeric and numbers.ndim in (1, 2) and bool(np.isfinite(numbers).all())


def costs_of(costs: Any, n: int) -> NDArray[np.float64]:
    """Return costs as ``(n, k)``.

    Raises:
        InvalidArgumentError: If there is not a row for each of ``n`` subnets.
    """
    found = np.asarray(costs, dtype=float)
    if len(found) != n:
        raise InvalidArgumentError(
            f"`costs` must have a row for each of {n} subnets, but has {len(found)}."
        )
    return found.reshape(n, -1) if n else np.zeros((0, 1))

"""The minimum of a smooth function of a few numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_MAX_STEPS, _MAX_HALVINGS = 40, 10
_LEAST_DECREASE = 1e-4  # of what a line would give
_CONVERGED = 1e-3


def minimum(
    function: Callable[[Vector], tuple[float, Vector]], start: Vector, at_most: float
) -> Vector:
    """Return where a function is small, by BFGS with backtracking.

    Args:
        function: Returns the value and the gradient.
        start: ``(n,)`` where to begin.
        at_most: Largest absolute value of each number.

    Returns:
        ``(n,)`` numbers, of which the value is at most that of ``start``.
    """
    x, inverse = start, np.eye(len(start))
    value, gradient = function(x)
    for step in range(_MAX_STEPS):
        free = (np.abs(x) < at_most) | (x * gradient > 0)  # others would leave the bounds
        direction = np.where(free, -inverse @ np.where(free, gradient, 0), 0)
        if direction @ gradient >= 0:
            inverse, direction = np.eye(len(x)), np.where(free, -gradient, 0)
        share = 1.0 if step else min(1.0, 1 / max(float(np.abs(gradient).sum()), 1e-12))
        for _ in range(_MAX_HALVINGS):
            new = np.clip(x + share * direction, -at_most, at_most)
            lower, slope = function(new)
            if lower <= value + _LEAST_DECREASE * float(gradient @ (new - x)):
                break
            share /= 2
        else:
            return x
        moved, bent, gained = new - x, slope - gradient, value - lower
        x, value, gradient = new, lower, slope
        if gained < _CONVERGED:
            return x
        inverse = _updated(inverse, moved, bent)
    return x


def _updated(inverse: NDArray[np.float64], moved: Vector, bent: Vector) -> NDArray[np.float64]:
    """Return the inverse Hessian after a step (Nocedal and Wright, 2006, equation 6.17)."""
    curvature = float(moved @ bent)
    if curvature <= 1e-12:
        return inverse
    left = np.eye(len(moved)) - np.outer(moved, bent) / curvature
    return np.asarray(left @ inverse @ left.T + np.outer(moved, moved) / curvature)

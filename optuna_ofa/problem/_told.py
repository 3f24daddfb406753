"""What was measured, compared with what a metric can be and with what was predicted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from optuna_ofa._plausible import require_plausible
from optuna_ofa.exceptions import InvalidArgumentError

# Two numbers are of each other's columns if exchanged they are that many times nearer to their
# predictions, by ratio, and as they are they differ by more than a factor of two in all.
_NEARER = 4
_FAR = math.log(2)


def require_measured(metrics: Sequence[str], values: Sequence[float], where: str) -> None:
    """Refuse values that their metrics cannot have.

    Args:
        metrics: Names of ``n`` metrics.
        values: ``n`` values in their units; NaN passes.
        where: The argument in backticks, and what of it.

    Raises:
        InvalidArgumentError: With the first of them.
    """
    for metric, value in zip(metrics, values, strict=True):
        require_plausible(metric, value, where)


def require_in_order(
    measured: Mapping[str, float], predicted: Mapping[str, float], where: str
) -> None:
    """Refuse two values that fit what was predicted only if they are exchanged.

    Args:
        measured: Values of one subnet by metric.
        predicted: Its predictions by metric.
        where: The argument in backticks, and what of it.

    Raises:
        InvalidArgumentError: With both metrics and all four numbers.
    """
    known = [m for m in measured if m in predicted and measured[m] == measured[m]]
    for a, b in itertools.combinations(known, 2):
        there = _distance(measured[a], predicted[a]) + _distance(measured[b], predicted[b])
        exchanged = _distance(measured[b], predicted[a]) + _distance(measured[a], predicted[b])
        if there > _FAR and exchanged * _NEARER < there:
            raise InvalidArgumentError(
                f"{where} must have {a} and {b} in their places, but got {a} {measured[a]:g} and "
                f"{b} {measured[b]:g} where {predicted[a]:.4g} and {predicted[b]:.4g} are "
                f"predicted; they are probably exchanged."
            )


def _distance(value: float, expected: float) -> float:
    """Return how far two numbers are apart, as the logarithm of their ratio."""
    if value <= 0 or expected <= 0:
        return 0.0 if value == expected else math.inf
    return abs(math.log(value / expected))

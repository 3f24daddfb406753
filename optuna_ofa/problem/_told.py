"""Checks of measured values against the range of their metric and against predictions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from optuna_ofa._plausible import PERCENT, require_plausible
from optuna_ofa.exceptions import InvalidArgumentError

# An accuracy and a cost count as exchanged if the cost is within `_NEAR_POINTS` of the predicted
# accuracy and the accuracy is nearer to the predicted cost; two costs, if exchanging them brings
# them `_NEARER` times nearer to their predictions, by ratio. A batch is refused if this holds for
# all rows, and in at least one of them the values are also far from their predictions.
_NEAR_POINTS, _FAR_POINTS = 10, 20
_NEARER, _FAR = 4, math.log(2)

Numbers = Mapping[str, float]


def require_measured(metrics: Sequence[str], values: Sequence[float], where: str) -> None:
    """Refuse values that their metrics cannot have.

    Args:
        metrics: Names of ``n`` metrics.
        values: ``n`` values in their units; NaN passes.
        where: The argument in backticks, and which part of it.

    Raises:
        InvalidArgumentError: If there are any; names the first.
    """
    for metric, value in zip(metrics, values, strict=True):
        require_plausible(metric, value, where)


def require_in_order(measured: Sequence[Numbers], predicted: Sequence[Numbers], where: str) -> None:
    """Refuse a batch in which two metrics fit their predictions only if they are exchanged.

    Args:
        measured: Values of ``n`` subnets by metric.
        predicted: Their predictions by metric.
        where: The argument in backticks.

    Raises:
        InvalidArgumentError: If this holds for all subnets; names both metrics and all four
            numbers.
    """
    pairs = list(zip(measured, predicted, strict=True))
    if not pairs:
        return
    known = [m for m in measured[0] if all(m in told and m in expected for told, expected in pairs)]
    for a, b in itertools.combinations(known, 2):
        fit = [_fit_exchanged(a, b, told, expected) for told, expected in pairs]
        if all(fit) and any(_are_far(a, b, told, expected) for told, expected in pairs):
            told, expected = pairs[0]
            raise InvalidArgumentError(
                f"{where} must have {a} and {b} in the right places, but got {a} {told[a]:g} and "
                f"{b} {told[b]:g} where {expected[a]:.4g} and {expected[b]:.4g} are predicted; "
                f"they are probably exchanged."
            )


def _fit_exchanged(a: str, b: str, told: Numbers, expected: Numbers) -> bool:
    """Return whether two values fit their predictions better if they are exchanged."""
    if b in PERCENT:
        a, b = b, a
    if a in PERCENT:
        is_nearer = _distance(told[a], expected[b]) < _distance(told[b], expected[b])
        return is_nearer and abs(told[b] - expected[a]) < _NEAR_POINTS
    exchanged = _distance(told[b], expected[a]) + _distance(told[a], expected[b])
    return exchanged * _NEARER < _distance(told[a], expected[a]) + _distance(told[b], expected[b])


def _are_far(a: str, b: str, told: Numbers, expected: Numbers) -> bool:
    """Return whether two values are far from their predictions as they are."""
    for metric in (a, b):
        if metric in PERCENT:
            return abs(told[metric] - expected[metric]) > _FAR_POINTS
    return _distance(told[a], expected[a]) + _distance(told[b], expected[b]) > _FAR


def _distance(value: float, expected: float) -> float:
    """Return the distance of two numbers, as the logarithm of their ratio."""
    if value <= 0 or expected <= 0:
        return 0.0 if value == expected else math.inf
    return abs(math.log(value / expected))

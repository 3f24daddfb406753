"""Scales on which a quantity is learnt."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
# Powers from 0 to 2 can be undone for any number.
_POWERS = np.linspace(0.0, 2.0, 41)
# Of the power around 1 before any measurement: a few values say little of their distribution.
_POWER_STD = 1.0


class Transformation(Protocol):
    """A rising function of a quantity. Called by `QuantityLearner`."""

    def __call__(self, values: Vector) -> Vector:
        """Return what is learnt of values, ``(n,)``."""

    def inverse(self, learnt: Vector) -> Vector:
        """Return the values of what was learnt, ``(n,)``."""


class Identity(NamedTuple):
    """The values as they are."""

    def __call__(self, values: Vector) -> Vector:
        """Return the values."""
        return values

    def inverse(self, learnt: Vector) -> Vector:
        """Return the same."""
        return learnt


class Logarithm(NamedTuple):
    """The logarithm of positive values."""

    def __call__(self, values: Vector) -> Vector:
        """Return logarithms; of what is not positive that of the smallest number."""
        return np.asarray(np.log(np.maximum(values, np.finfo(float).tiny)))

    def inverse(self, learnt: Vector) -> Vector:
        """Return the exponentials."""
        return np.asarray(np.exp(learnt))


class YeoJohnson(NamedTuple):
    """A power of values on both sides of their mean, after which they are about normal.

    As in HEBO (Cowen-Rivers et al. 2022): accuracies have a long tail of bad networks, which would
    otherwise decide how uncertain all others are. Yeo and Johnson (2000), equation 2.1.

    Args:
        level: The mean.
        scale: The standard deviation.
        power: From 0, which draws in large values, to 2, which draws in small ones; 1 changes
            nothing.
    """

    level: float
    scale: float
    power: float

    @classmethod
    def of(cls, values: Vector) -> YeoJohnson:
        """Return the most probable one; one that only shifts if all values are equal."""
        level, scale = float(values.mean()), float(values.std())
        if scale == 0:
            return cls(level, 1.0, 1.0)
        distances = (values - level) / scale
        jacobian = float((np.sign(distances) * np.log1p(np.abs(distances))).sum())
        spreads = np.array([np.var(_powered(distances, power)) for power in _POWERS])
        gains = (_POWERS - 1) * jacobian - 0.5 * ((_POWERS - 1) / _POWER_STD) ** 2
        best = np.argmax(gains - 0.5 * len(values) * np.log(spreads))
        return cls(level, scale, float(_POWERS[best]))

    def __call__(self, values: Vector) -> Vector:
        """Return the powers, in standard deviations."""
        return _powered((values - self.level) / self.scale, self.power)

    def inverse(self, learnt: Vector) -> Vector:
        """Return the values."""
        return self.level + self.scale * _rooted(learnt, self.power)


def _powered(values: Vector, power: float) -> Vector:
    above, below = np.maximum(values, 0), np.maximum(-values, 0)
    return _box_cox(above, power) - _box_cox(below, 2 - power)


def _rooted(values: Vector, power: float) -> Vector:
    above, below = np.maximum(values, 0), np.maximum(-values, 0)
    return _inverse_box_cox(above, power) - _inverse_box_cox(below, 2 - power)


def _box_cox(values: Vector, power: float) -> Vector:
    logs = np.log1p(values)
    return np.asarray(logs if power == 0 else np.expm1(power * logs) / power)


def _inverse_box_cox(values: Vector, power: float) -> Vector:
    logs = values if power == 0 else np.log1p(power * values) / power
    return np.asarray(np.expm1(logs))

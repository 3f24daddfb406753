"""Weighted sums of the objectives, and weights that suit a part of a front."""

from __future__ import annotations

import numpy as np

from optuna_ofa.fronts import Values, nondominated
from optuna_ofa.samplers.evolution._estimates import Scored

_N_TRIED = 256  # weights, of which those that suit best are taken
_SPREAD = 2.0  # standard deviation of their logarithms
# Whatever they cost, the subnet that violates less is better.
_PRICE_OF_VIOLATION = 1e9


def weighted(weights: Values, costs: Values, violations: Values) -> Values:
    """Return weighted sums of costs, above all of those that violate less, ``(...)``.

    Args:
        weights: ``(..., n_objectives)``.
        costs: ``(..., n_objectives)``.
        violations: ``(...)``, 0 where feasible.
    """
    return np.asarray((weights * costs).sum(axis=-1) + _PRICE_OF_VIOLATION * violations)


def local_weights(population: Scored, n: int, rng: np.random.Generator) -> Values:
    """Return slopes of the front's convex hull at random costs, ``(n, n_objectives)``.

    With each row of weights, the sum of some point of the front is the least, or exceeds the least
    by as little as possible. The point is the one at a random value of an objective: the more an
    objective varies relative to its size, as latency does compared with accuracy, the more often
    it is that one.

    Args:
        population: Subnets with results, at least one.
        n: How many.
        rng: Source of randomness.
    """
    front = _front(population)
    ranges = np.maximum(np.ptp(front, axis=0), 1e-12)
    scaled = (front - front.min(axis=0)) / ranges
    sizes = np.maximum(np.abs(front).max(axis=0), 1e-12)
    column = rng.choice(len(ranges), size=n, p=(ranges / sizes) / (ranges / sizes).sum())
    at = np.abs(scaled[:, column] - rng.random(n)).argmin(axis=0)
    tried = np.exp(_SPREAD * rng.standard_normal((n, _N_TRIED, len(ranges))))
    tried /= tried.sum(axis=2, keepdims=True)
    sums = tried @ scaled.T
    excess = np.take_along_axis(sums, at[:, None, None], axis=2)[:, :, 0] - sums.min(axis=2)
    return np.asarray(tried[np.arange(n), excess.argmin(axis=1)] / ranges)


def _front(population: Scored) -> Values:
    """Return the costs that are not dominated, among those that violate the least."""
    costs = population.costs[population.violations == population.violations.min()]
    return np.asarray(costs[nondominated(costs)])

"""Ascents along the front, with the moves that local models of the objectives suggest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optuna_ofa._arguments import Count, NonNegativeFloat, Positive, check_fields
from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._chains import Chains
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._starts import draw_starts
from optuna_ofa.samplers.evolution._told import IsKnown, unknown
from optuna_ofa.samplers.evolution._weights import local_weights
from optuna_ofa.space import Matrix, SearchSpace

_N_ATTEMPTS = 10  # to start at an unknown subnet
# chains, unless there are to be more from the beginning; every one is compared with every result
_MOST = 200


@dataclass(frozen=True)
class Ascents:
    """Chains of subnets that climb to the front, once there are a few hundred results.

    Each chain has weights of the objectives, the slope of the front's convex hull at a random cost,
    and starts near that part of the front, often with a depth or a resolution of its own. A step
    makes the four single changes with the best estimates at once, twice as many after a success
    and half as many after a failure. If none of the best single changes helps, the chain ends, and
    another one starts.

    Args:
        n_chains: How many climb at a time, at least.
        share: How many climb at a time divided by the number of results so far, if that is more:
            with many results, a large step costs less time per result. At most 200.
        first: Number of results before them.

    Raises:
        InvalidArgumentError: If ``n_chains`` is below 1, ``share`` or ``first`` negative.
    """

    n_chains: Positive = 24
    share: NonNegativeFloat = 0.004
    first: Count = 500

    def __post_init__(self) -> None:
        check_fields(self)

    def filled(
        self,
        space: SearchSpace,
        population: Scored,
        chains: Chains | None,
        n_told: int,
        is_known: IsKnown,
        rng: np.random.Generator,
    ) -> Chains:
        """Return the chains that have not ended, and new ones in the place of others.

        Args:
            space: The search space.
            population: The survivors of all results, at least one.
            chains: The chains so far; None if there are none.
            n_told: Number of results so far.
            is_known: Tells which subnets have results.
            rng: Source of randomness.
        """
        climbing = None if chains is None else chains.select(chains.reach >= 0)
        n_new = max(self.n_chains, min(int(self.share * n_told), _MOST))
        if climbing is not None:
            n_new -= len(climbing.reach)
            if n_new <= 0:
                return climbing
        weights = local_weights(population, n_new, rng)
        new = Chains.starting(self._starts(space, population, weights, is_known, rng), weights)
        return new if climbing is None else climbing.join(new)

    @staticmethod
    def _starts(
        space: SearchSpace,
        population: Scored,
        weights: Values,
        is_known: IsKnown,
        rng: np.random.Generator,
    ) -> Matrix:
        """Return a start for each row of weights, unknown ones unless there are hardly any."""
        rows = draw_starts(space, population, weights, rng)
        for _ in range(_N_ATTEMPTS):
            known = np.ones(len(rows), dtype=bool)
            known[unknown(rows, is_known)] = False
            if not known.any():
                break
            rows[known] = draw_starts(space, population, weights[known], rng)
        return rows

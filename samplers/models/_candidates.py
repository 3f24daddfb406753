"""Candidates for a measurement: a search on learnt models, or a list."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.fronts import Values, nondominated
from optuna_ofa.problem import violations
from optuna_ofa.samplers._evolution_sampler import EvolutionarySampler
from optuna_ofa.samplers.evolution._schedule import Constant
from optuna_ofa.samplers.evolution._survival import CostBins
from optuna_ofa.samplers.models._models import LearnedModels
from optuna_ofa.space import Matrix, SearchSpace, absent, first_of_each, keys_of

_POPULATION = 200
# the best of a search, front by front, so that enough remain that are not taken
_N_KEPT = 600
_MAX_ATTEMPTS = 20


class CandidateSource(Protocol):
    """The source of the subnets of a round. Called by `SurrogateSearch`."""

    def start(self, n: int, rng: np.random.Generator) -> Matrix:
        """``n`` subnets of all sizes, or fewer, the smallest and the largest first."""

    def others(self, n: int, taken: Matrix, rng: np.random.Generator) -> Matrix:
        """Return at most ``n`` random ones that are not taken; none if there are none."""

    def candidates(self, models: LearnedModels, known: Matrix, rng: np.random.Generator) -> Matrix:
        """Return different subnets that are good by their estimates, ``(m, n_genes)``.

        Args:
            models: The estimates.
            known: ``(n, n_genes)`` measured subnets, good starting points.
            rng: Source of randomness.
        """


class ListedCandidates:
    """A list of subnets, all of which are candidates.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        sizes: ``(n,)`` the quantity that they are ordered by.
    """

    def __init__(self, matrix: Matrix, sizes: Values) -> None:
        matrix, first = np.unique(matrix, axis=0, return_index=True)
        self._matrix = matrix[np.argsort(sizes[first], kind="stable")]

    def start(self, n: int, rng: np.random.Generator) -> Matrix:
        """Equally spaced in the order of sizes."""
        last = len(self._matrix) - 1
        places = np.unique(np.linspace(0, last, min(n, last + 1)).astype(np.intp))
        between = rng.permutation(places[1:-1])
        return self._matrix[np.r_[places[:1], places[1:][-1:], between]]

    def others(self, n: int, taken: Matrix, rng: np.random.Generator) -> Matrix:
        """Return some of the list."""
        return rng.permutation(self._matrix[absent(self._matrix, taken)])[:n]

    def candidates(self, models: LearnedModels, known: Matrix, rng: np.random.Generator) -> Matrix:
        """Return the whole list."""
        return self._matrix


class SearchedCandidates:
    """NSGA-II on the models, starting from the best subnets measured or found before.

    Args:
        space: What is searched.
        n_searched: How many subnets are estimated in a round.
    """

    def __init__(self, space: SearchSpace, n_searched: int) -> None:
        self._space, self._n_searched = space, n_searched
        self._front: Matrix = np.empty((0, len(space.genes)), dtype=np.int16)

    def start(self, n: int, rng: np.random.Generator) -> Matrix:
        """Return random subnets of all sizes."""
        return self._space.stratified(n, rng)

    def others(self, n: int, taken: Matrix, rng: np.random.Generator) -> Matrix:
        """Return random ones of all sizes."""
        rows = taken[:0]
        for _ in range(_MAX_ATTEMPTS):
            rows = np.concatenate([rows, self._space.stratified(4 * n, rng)])
            rows = rows[first_of_each(keys_of(rows))]
            rows = rows[absent(rows, taken)]
            if len(rows) >= n:
                break
        return rng.permutation(rows)[:n]

    def candidates(self, models: LearnedModels, known: Matrix, rng: np.random.Generator) -> Matrix:
        """Return the survivors of the search."""
        matrix = np.concatenate([known, self._front, self._space.stratified(_POPULATION, rng)])
        matrix = matrix[first_of_each(keys_of(matrix))]
        costs, excess = models.costs(matrix), violations(models.excess(matrix))
        evolution = EvolutionarySampler(
            self._space,
            population_size=_POPULATION,
            generation_size=Constant(_POPULATION),
            n_candidates=0,
            ascents=None,
            seed=int(rng.integers(2**31)),
        ).evolution
        best = CostBins()(costs, excess, min(_POPULATION, len(matrix)))
        evolution.tell(matrix[best], costs[best], excess[best])
        found = [(matrix, costs, excess)]
        for _ in range(-(-self._n_searched // _POPULATION)):
            try:
                new = evolution.ask(_POPULATION)
            except SearchSpaceExhaustedError:
                break
            found.append((new, models.costs(new), violations(models.excess(new))))
            evolution.tell(*found[-1])
        matrix, costs, excess = (np.concatenate(parts) for parts in zip(*found, strict=True))
        self._front = _front(matrix, costs, excess)
        kept = CostBins()(costs, excess, min(_N_KEPT, len(matrix)))
        matrix = matrix[kept]
        return matrix[first_of_each(keys_of(matrix))]


def _front(matrix: Matrix, costs: Values, excess: Values) -> Matrix:
    feasible = np.flatnonzero(excess == 0)
    return matrix[feasible[nondominated(costs[feasible])]]

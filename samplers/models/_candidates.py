"""Candidates for a measurement: a search on learnt models, or a list."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from optuna_ofa.fronts import Values, nondominated
from optuna_ofa.samplers.evolution._breeding import Breeding
from optuna_ofa.samplers.evolution._survival import rank_and_crowding
from optuna_ofa.samplers.models._models import Estimates, LearnedModels
from optuna_ofa.space import Matrix, SearchSpace, absent, first_of_each, keys_of

_POPULATION, _N_PARENTS = 200, 100
_N_KEPT = 600
_MAX_ATTEMPTS = 20


class CandidateSource(Protocol):
    """The source of the subnets of a round. Called by `SurrogateSearch`."""

    def start(self, n: int, rng: np.random.Generator) -> Matrix:
        """``n`` subnets of all sizes, or fewer, the smallest and the largest first."""

    def others(self, n: int, taken: Matrix, rng: np.random.Generator) -> Matrix:
        """Return at most ``n`` random ones that are not taken; none if there are none."""

    def candidates(
        self, models: LearnedModels, known: Matrix, taken: Matrix, rng: np.random.Generator
    ) -> Estimates:
        """Return different subnets that are good by their estimates.

        Args:
            models: The estimates.
            known: ``(n, n_genes)`` measured subnets, good starting points.
            taken: ``(m, n_genes)`` subnets that are none.
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
        """Return a random one of each of equal parts of the order of sizes."""
        inner = self._matrix[1:-1]
        n_parts = min(max(n - 2, 0), len(inner))
        edges = np.linspace(0, len(inner), n_parts + 1).astype(np.intp)
        between = inner[rng.permutation(rng.integers(edges[:-1], edges[1:]))]
        ends = np.concatenate([self._matrix[:1], self._matrix[1:][-1:]])
        return np.concatenate([ends, between])[:n]

    def others(self, n: int, taken: Matrix, rng: np.random.Generator) -> Matrix:
        """Return some of the list."""
        return rng.permutation(self._matrix[absent(self._matrix, taken)])[:n]

    def candidates(
        self, models: LearnedModels, known: Matrix, taken: Matrix, rng: np.random.Generator
    ) -> Estimates:
        """Return all of the list that are not taken."""
        return models.estimate(self._matrix[absent(self._matrix, taken)])


class SearchedCandidates:
    """NSGA-II on optimistic estimates, starting from all that was measured or found before.

    Args:
        space: What is searched.
        n_searched: How many subnets are estimated in a round.
    """

    def __init__(self, space: SearchSpace, n_searched: int) -> None:
        self._space, self._n_searched = space, n_searched
        self._breeding = Breeding()
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

    def candidates(
        self, models: LearnedModels, known: Matrix, taken: Matrix, rng: np.random.Generator
    ) -> Estimates:
        """Return the best that were found by optimistic estimates."""
        matrix = np.concatenate([known, self._front, self._space.stratified(_POPULATION, rng)])
        found = models.estimate(matrix[first_of_each(keys_of(matrix))])
        for _ in range(-(-self._n_searched // _POPULATION)):
            parents = _best(found, _N_PARENTS)
            rows = self._breeding(
                self._space, parents.matrix, parents.optimistic, _POPULATION, rng
            )[0]
            rows = rows[first_of_each(keys_of(rows))]
            rows = rows[absent(rows, found.matrix)]
            if len(rows):
                found = found.joined(models.estimate(rows))
        feasible = found.select(found.violations == 0)
        self._front = feasible.matrix[nondominated(feasible.costs)][:_POPULATION]
        return _best(found.select(absent(found.matrix, taken)), _N_KEPT)


def _best(found: Estimates, n: int) -> Estimates:
    """Return the best by optimistic estimates, at most ``n``."""
    n = min(n, len(found.matrix))
    return found.select(rank_and_crowding(found.optimistic, found.violations, n))

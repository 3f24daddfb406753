"""The search itself: arrays in, arrays out, no Optuna."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optuna_ofa._errors import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.samplers._domination import Values
from optuna_ofa.samplers._mating import Mating
from optuna_ofa.samplers._start import spread
from optuna_ofa.samplers._survival import Survival
from optuna_ofa.samplers._variation import Crossover, Mutation, random_genes
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import MAX_LISTED, Matrix

_MAX_ATTEMPTS = 20
# Survivors are picked from at most so many new ones at a time; ranking takes their square.
_MAX_TOLD = 1000


class Evolution:
    """NSGA-II on canonical genotypes that never proposes a subnet twice.

    `ask` proposes, the caller evaluates, `tell` takes the results; any number may be asked for
    or told at a time, also results of subnets that were never asked for.

    Args:
        space: What is searched.
        population_size: Survivors that children descend from.
        crossover: Mixes parents.
        mutation: Changes children.
        mating: Picks pairs of parents.
        survival: Picks survivors.
        seed: Seed of all random choices.

    Raises:
        InvalidArgumentError: If the population has fewer than two.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        population_size: int,
        crossover: Crossover,
        mutation: Mutation,
        mating: Mating,
        survival: Survival,
        seed: int | None,
    ) -> None:
        if population_size < 2:
            raise InvalidArgumentError(
                f"`population_size` must be at least 2, but got {population_size}."
            )
        self.space = space
        self.population_size = population_size
        self._crossover, self._mutation = crossover, mutation
        self._mating, self._survival = mating, survival
        self._rng = np.random.default_rng(seed)
        self._seen: set[bytes] = set()
        self._told: set[bytes] = set()
        self._start = spread(space, population_size, self._rng)
        self._listed: Matrix | None = None
        self._population: Matrix = np.empty((0, len(space.genes)), dtype=np.int16)
        self._values: Values = np.empty((0, 0))
        self._violations: Values = np.empty(0)

    def reseed(self) -> None:
        """Start another stream of random numbers, for parallel workers."""
        self._rng = np.random.default_rng()

    def ask(self, n: int) -> Matrix:
        """Propose subnets that were neither proposed nor told before.

        The smallest, the largest and a spread between them come first.

        Args:
            n: How many, at least 1.

        Returns:
            A canonical ``(m, n_genes)`` matrix, ``m == n`` unless the space runs out.

        Raises:
            InvalidArgumentError: If ``n`` is below 1.
            SearchSpaceExhaustedError: If none is left.
        """
        if n < 1:
            raise InvalidArgumentError(f"`n` must be at least 1, but got {n}.")
        if len(self._told) >= self.population_size:
            self._start = self._start[:0]  # a search that continues has its start behind it
        start, self._start = self._start[:n], self._start[n:]
        parts = [self._take_new(start, n)]
        wanted = n - len(parts[0])
        for attempt in range(_MAX_ATTEMPTS):
            if wanted == 0:
                break
            rows = self._children(2 * wanted, stronger=attempt)
            parts.append(self._take_new(rows, wanted))
            wanted -= len(parts[-1])
        # random children keep repeating what is known; larger spaces are not searched to their end
        if wanted and self.space.n_subnets <= MAX_LISTED:
            parts.append(self._take_new(self._list(), wanted))
        result = np.concatenate(parts)
        if len(result) == 0:
            raise SearchSpaceExhaustedError(
                f"All {self.space.n_subnets} subnets of {self.space} have been evaluated."
            )
        return result

    def tell(self, matrix: Matrix, values: Values, violations: Values) -> None:
        """Take results.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            values: ``(n, n_objectives)``, smaller is better.
            violations: ``(n,)``, 0 where feasible, otherwise how much is violated.

        What was told before is passed over. Subnets with an infinite value are not proposed
        again, and have no children.
        """
        finite = np.isfinite(values).all(axis=1)
        self.forbid(matrix[~finite])
        matrix, values, violations = matrix[finite], values[finite], violations[finite]
        new = self._not_told(matrix)
        matrix, values, violations = matrix[new], values[new], violations[new]
        if len(matrix) == 0:
            return
        if len(self._population) == 0:
            self._values = np.empty((0, values.shape[1]))
        for start in range(0, len(matrix), _MAX_TOLD):
            part = slice(start, start + _MAX_TOLD)
            self._survive(matrix[part], values[part], violations[part])

    def _survive(self, matrix: Matrix, values: Values, violations: Values) -> None:
        rows = np.concatenate([self._population, matrix])
        all_values = np.concatenate([self._values, values])
        all_violations = np.concatenate([self._violations, violations])
        n = min(self.population_size, len(rows))
        kept = self._survival(all_values, all_violations, n)
        self._population = rows[kept]
        self._values, self._violations = all_values[kept], all_violations[kept]

    def _not_told(self, matrix: Matrix) -> list[int]:
        """Rows that were not told before, each once."""
        new: dict[bytes, int] = {}
        for i, key in enumerate(_keys(matrix)):
            if key not in self._told:
                new.setdefault(key, i)
        self._told.update(new)
        self._seen.update(new)
        return list(new.values())

    def forbid(self, matrix: Matrix) -> None:
        """Never propose these subnets: failed, or running elsewhere."""
        self._seen.update(_keys(matrix))

    def _children(self, n: int, stronger: int) -> Matrix:
        """Children of the population; ``stronger`` counts the tries that gave too few new ones."""
        if len(self._population) < 2 or stronger > _MAX_ATTEMPTS // 2:
            return self.space.canonicalize(random_genes(self.space, n, self._rng))
        first, second = self._mating(self._values, n, self._rng)
        rows = self._crossover(self._population[first], self._population[second], self._rng)
        for _ in range(1 + stronger):
            rows = self._mutation(self.space, rows, self._rng)
        return self.space.canonicalize(self._fill(rows))

    def _fill(self, rows: Matrix) -> Matrix:
        """Draw the genes of blocks that have just become active."""
        drawn = random_genes(self.space, len(rows), self._rng)
        return np.where((rows == 0) & self.space.block_genes, drawn, rows)

    def _list(self) -> Matrix:
        """Every subnet of a small space, in random order; listed once, for that takes long."""
        if self._listed is None:
            self._listed = self._rng.permutation(self.space.enumerate())
        return self._listed

    def _take_new(self, rows: Matrix, n: int) -> Matrix:
        """The first ``n`` rows that are new, which are no longer new afterwards."""
        new: list[int] = []
        for i, key in enumerate(_keys(rows)):
            if len(new) == n:
                break
            if key not in self._seen:
                self._seen.add(key)
                new.append(i)
        return rows[new]


def _keys(matrix: Matrix) -> Iterator[bytes]:
    """One key a row, equal for equal subnets."""
    return (row.tobytes() for row in np.ascontiguousarray(matrix, dtype=np.int16))

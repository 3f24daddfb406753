"""Children of a population."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.samplers._domination import Values
from optuna_ofa.samplers._mating import Mating, NeighbourMating
from optuna_ofa.samplers._variation import (
    Crossover,
    Mutation,
    ResetMutation,
    UniformCrossover,
    redraw,
)
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix


@dataclass(frozen=True)
class Breeding:
    """Mating, crossover and mutation, one after the other.

    Args:
        mating: Picks pairs of parents.
        crossover: Mixes them.
        mutation: Changes the children.
    """

    mating: Mating = field(default_factory=NeighbourMating)
    crossover: Crossover = field(default_factory=UniformCrossover)
    mutation: Mutation = field(default_factory=ResetMutation)

    def __call__(
        self,
        space: SearchSpace,
        population: Matrix,
        values: Values,
        n: int,
        rng: np.random.Generator,
        strength: int = 1,
    ) -> tuple[Matrix, NDArray[np.intp]]:
        """Make children.

        Args:
            space: What is searched.
            population: ``(m, n_genes)`` canonical genotypes, the best first.
            values: ``(m, n_objectives)``, smaller is better.
            n: How many children.
            rng: Source of randomness.
            strength: How many times the children are mutated.

        Returns:
            ``(n, n_genes)`` canonical genotypes, some of them known or alike, and ``(n,)``
            indices of the parents that they are closer to.
        """
        first, second = self.mating(values, n, rng)
        rows = self.crossover(population[first], population[second], rng)
        for _ in range(strength):
            rows = self.mutation(space, rows, rng)
        return settle(space, rows, rng), first


def settle(space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
    """Canonical rows; genes of blocks that have just become active are drawn."""
    active = space.active_genes(rows)
    new = np.nonzero(active & (rows == 0) & space.block_genes)
    return redraw(space, rows, new, rng) * active

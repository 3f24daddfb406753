"""Children of a population."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import Fraction, NonNegativeFloat, check_fields
from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._variation import (
    Crossover,
    Mutation,
    ResetMutation,
    UniformCrossover,
    redraw,
)
from optuna_ofa.space import Matrix, SearchSpace

Pair = tuple[NDArray[np.intp], NDArray[np.intp]]


@runtime_checkable
class Mating(Protocol):
    """Picks pairs of parents. Called by `Evolution` once a generation."""

    def __call__(self, costs: Values, n: int, rng: np.random.Generator) -> Pair:
        """Return the indices of ``n`` first and ``n`` second parents.

        Args:
            costs: ``(m, n_objectives)`` of the survivors, the best survivor first.
            n: Number of pairs.
            rng: Source of randomness.
        """


def tournament(costs: Values, n: int, rng: np.random.Generator) -> Pair:
    """Binary tournaments, as in NSGA-II; the survivor that comes first wins."""
    first, second = rng.integers(len(costs), size=(2, 2, n)).min(axis=1)
    return first, second


@dataclass(frozen=True)
class NeighbourMating:
    """Mating in which the second parent mostly has a similar cost.

    Two subnets from opposite ends of a front have children that are good at neither end. The
    first parent comes from a tournament, the second from its neighbours in one objective, drawn
    for the whole generation.

    Args:
        width: Standard deviation of the distance between parents, as a share of the survivors.
        far: Share of the pairs whose second parent comes from a tournament instead.

    Raises:
        InvalidArgumentError: If ``width`` is negative or ``far`` outside of 0..1.
    """

    width: NonNegativeFloat = 0.03
    far: Fraction = 0.1

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, costs: Values, n: int, rng: np.random.Generator) -> Pair:
        """Pick pairs of parents."""
        first, other = tournament(costs, n, rng)
        order = np.argsort(costs[:, rng.integers(costs.shape[1])], kind="stable")
        place = np.empty(len(order), dtype=np.intp)
        place[order] = np.arange(len(order))
        steps = np.rint(rng.normal(0, self.width * len(order), size=n)).astype(np.intp)
        near = order[np.clip(place[first] + steps, 0, len(order) - 1)]
        return first, np.where(rng.random(n) < self.far, other, near)


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

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(
        self,
        space: SearchSpace,
        population: Matrix,
        costs: Values,
        n: int,
        rng: np.random.Generator,
        strength: int = 1,
    ) -> tuple[Matrix, NDArray[np.intp]]:
        """Make children.

        Args:
            space: The search space.
            population: ``(m, n_genes)`` canonical genotypes, the best first.
            costs: ``(m, n_objectives)``, smaller is better.
            n: How many children.
            rng: Source of randomness.
            strength: How many times the children are mutated.

        Returns:
            ``(n, n_genes)`` canonical genotypes, some of them known or equal, and ``(n,)``
            indices of the parents that they are closer to.
        """
        first, second = self.mating(costs, n, rng)
        rows = self.crossover(population[first], population[second], rng)
        for _ in range(strength):
            rows = self.mutation(space, rows, rng)
        return settle(space, rows, rng), first


def settle(space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
    """Return canonical rows; genes that have just become active are drawn."""
    active = space.active_genes(rows)
    for level in range(space.n_levels):
        if level > 0:  # what was drawn may switch on others
            active = space.active_genes(rows)
        new = np.nonzero(active & (rows == 0) & space.block_genes)
        rows = redraw(space, rows, new, rng)
    return np.asarray(rows * active)

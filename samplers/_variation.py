"""How children are made from parents, on integer genotypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix


class Crossover(Protocol):
    """Mixes two parents. Called by `Evolution` once a generation."""

    def __call__(self, first: Matrix, second: Matrix, rng: np.random.Generator) -> Matrix:
        """Take two ``(n, n_genes)`` matrices of parents and return ``(n, n_genes)`` children."""


class Mutation(Protocol):
    """Changes children at random. Called by `Evolution` once a generation, after crossover."""

    def __call__(self, space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
        """Take ``(n, n_genes)`` genotypes and return changed ones; 0 may stand anywhere that a
        block is absent."""


@dataclass(frozen=True)
class UniformCrossover:
    """Each gene comes from either parent.

    Args:
        probability: Share of the children that are mixed at all; the rest copy a parent.
        swap: Probability that a gene of a mixed child comes from the second parent.

    Raises:
        InvalidArgumentError: If one is outside of 0..1.
    """

    probability: float = 0.9
    swap: float = 0.5

    def __post_init__(self) -> None:
        _require_probability("probability", self.probability)
        _require_probability("swap", self.swap)

    def __call__(self, first: Matrix, second: Matrix, rng: np.random.Generator) -> Matrix:
        """Mix two matrices of parents."""
        mixed = rng.random((len(first), 1)) < self.probability
        return np.where(mixed & (rng.random(first.shape) < self.swap), second, first)


@dataclass(frozen=True)
class ResetMutation:
    """Each gene is drawn anew from its choices with a small probability.

    Args:
        genes: Expected number of genes that are drawn anew in a child, among its active ones.

    Raises:
        InvalidArgumentError: If it is negative.
    """

    genes: float = 2.0

    def __post_init__(self) -> None:
        if self.genes < 0:
            raise InvalidArgumentError(f"`genes` must not be negative, but got {self.genes}.")

    def __call__(self, space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
        """Draw some genes anew."""
        active = space.active_genes(rows)
        chance = self.genes / np.maximum(active.sum(axis=1, keepdims=True), 1)
        drawn = rng.random(rows.shape) < chance
        return np.where(drawn, random_genes(space, len(rows), rng), rows)


def random_genes(space: SearchSpace, n: int, rng: np.random.Generator) -> Matrix:
    """Every gene drawn from its choices, absent blocks included: ``(n, n_genes)``."""
    choices = list(space.choices.values())
    sizes = [len(values) for values in choices]
    table = np.zeros((len(sizes), max(sizes)), dtype=np.int16)
    for j, values in enumerate(choices):
        table[j, : sizes[j]] = values
    picks = (rng.random((n, len(sizes))) * sizes).astype(np.intp)
    return table[np.arange(len(sizes)), picks]


def _require_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidArgumentError(f"`{name}` must be between 0 and 1, but got {value}.")

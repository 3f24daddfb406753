"""Crossover and mutation of integer genotypes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import NonNegativeFloat, check_fields
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Matrix, SearchSpace

Places = tuple[NDArray[np.intp], ...]


@runtime_checkable
class Crossover(Protocol):
    """Mixes two parents. Called by `Breeding` once a generation."""

    def __call__(self, first: Matrix, second: Matrix, rng: np.random.Generator) -> Matrix:
        """Take two ``(n, n_genes)`` matrices of parents and return ``(n, n_genes)`` children."""


@runtime_checkable
class Mutation(Protocol):
    """Changes children at random. Called by `Breeding` once a generation, after crossover."""

    def __call__(self, space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
        """Return changed ``(n, n_genes)`` genotypes; 0 is allowed wherever a block is absent."""


@dataclass(frozen=True)
class UniformCrossover:
    """Each gene comes from either parent.

    Args:
        probability: Share of the children that are mixed; the rest are copies of a parent.
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
        children = first.copy()
        mixed = np.flatnonzero(rng.random(len(first)) < self.probability)
        swapped = rng.random((len(mixed), first.shape[1]), dtype=np.float32) < self.swap
        children[mixed] = np.where(swapped, second[mixed], first[mixed])
        return children


@dataclass(frozen=True)
class ResetMutation:
    """Each gene is drawn anew from its choices with a small probability.

    Args:
        genes: Expected number of genes that are drawn anew in a child, among its active ones;
            of several numbers, each child uses one.

    Raises:
        InvalidArgumentError: If there is no number, or one is negative.
    """

    genes: NonNegativeFloat | Sequence[NonNegativeFloat] = 1.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not np.size(self.genes):
            raise InvalidArgumentError("`genes` must be at least one number, but got none.")

    def __call__(self, space: SearchSpace, rows: Matrix, rng: np.random.Generator) -> Matrix:
        """Draw some genes anew."""
        n_genes = rows.shape[1]
        genes = rng.choice(np.atleast_1d(self.genes), size=len(rows))
        chance = genes / np.maximum(space.active_genes(rows).sum(axis=1), 1)
        # few genes are drawn: a Poisson number of positions, some of them equal, selects each gene
        # independently with its probability, at a fraction of the cost of a number for each gene
        n_places = rng.poisson(-n_genes * np.log1p(-np.minimum(chance, 1 - 1e-9)))
        drawn = np.repeat(np.arange(len(rows)), n_places)
        return redraw(space, rows, (drawn, rng.integers(n_genes, size=len(drawn))), rng)


def redraw(space: SearchSpace, rows: Matrix, which: Places, rng: np.random.Generator) -> Matrix:
    """Return a copy whose genes at ``which``, rows and columns, are drawn from their choices."""
    table, sizes = _choice_table(space)
    columns = which[1]
    picks = (rng.random(len(columns)) * sizes[columns]).astype(np.intp)
    result = np.array(rows, dtype=np.int16)
    result[which] = table[columns, picks]
    return result


def random_genes(space: SearchSpace, n: int, rng: np.random.Generator) -> Matrix:
    """Every gene drawn from its choices, absent blocks included: ``(n, n_genes)``."""
    shape = n, len(space.genes)
    rows, columns = np.indices(shape).reshape(2, -1)
    return redraw(space, np.empty(shape, np.int16), (rows, columns), rng)


@cache
def _choice_table(space: SearchSpace) -> tuple[Matrix, NDArray[np.intp]]:
    """Return the choices of each gene, ``(n_genes, most)``, and how many there are."""
    choices = list(space.choices.values())
    sizes = np.array([len(values) for values in choices])
    table = np.zeros((len(sizes), sizes.max()), dtype=np.int16)
    for row, values in zip(table, choices, strict=True):
        row[: len(values)] = values
    return table, sizes


def _require_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidArgumentError(f"`{name}` must be between 0 and 1, but got {value}.")

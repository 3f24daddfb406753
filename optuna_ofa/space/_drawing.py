"""Random genotypes of a space, and the enumeration of a small one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space._matrix import Matrix

GeneChoices = Sequence[Sequence[int]]


def draw_choices(
    choices: GeneChoices,
    weights: Sequence[Sequence[float] | None],
    n: int,
    rng: np.random.Generator,
) -> Matrix:
    """Draw each gene of ``n`` genotypes independently.

    Args:
        choices: The choices of each gene.
        weights: Probabilities of the choices of each gene; None means uniform.
        n: Number of genotypes.
        rng: Draws the genes.
    """
    matrix = np.empty((n, len(choices)), dtype=np.int16)
    for j, (of_gene, p) in enumerate(zip(choices, weights, strict=True)):
        matrix[:, j] = rng.choice(np.array(of_gene, dtype=np.int16), size=n, p=p)
    return matrix


def draw_of_sizes(
    choices: GeneChoices, sizes: NDArray[np.float64], rng: np.random.Generator
) -> Matrix:
    """Draw one random genotype of each size between the smallest (0) and the largest (1).

    A subnet of size t takes each gene from the binomial distribution with probability t over its
    choices, so that its cost lies at about a fraction t of the range.

    Args:
        choices: The ascending choices of each gene.
        sizes: ``(n,)``.
        rng: Draws the genes.
    """
    matrix = np.empty((len(sizes), len(choices)), dtype=np.int16)
    for j, of_gene in enumerate(choices):
        matrix[:, j] = np.array(of_gene, dtype=np.int16)[rng.binomial(len(of_gene) - 1, sizes)]
    return matrix


def stratified_sizes(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return ``(n,)`` sizes spread from 0 to 1, both ends first, the others in random order."""
    sizes = np.linspace(0, 1, max(n, 2))
    return np.concatenate([sizes[[0, -1]], rng.permutation(sizes[1:-1])])[:n]


def all_rows(
    choices: GeneChoices, order: Sequence[int], active_genes: Callable[[Matrix], NDArray[np.bool_]]
) -> Matrix:
    """Return every canonical genotype once, in ascending order.

    Args:
        choices: The choices of each gene.
        order: The columns, with those that switch off others before them.
        active_genes: Returns which genes of each row have an effect.
    """
    rows = np.zeros((1, len(choices)), dtype=np.int16)
    for j in order:
        of_gene = choices[j]
        rows = np.repeat(rows, len(of_gene), axis=0)
        rows[:, j] = np.tile(np.array(of_gene, dtype=np.int16), len(rows) // len(of_gene))
        # equal subnets are merged as soon as a gene is set, which bounds the memory
        rows = np.unique(np.where(active_genes(rows), rows, 0), axis=0)
    return rows

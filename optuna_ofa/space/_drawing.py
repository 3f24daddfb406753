"""Random genotypes of chosen sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space._matrix import Matrix


def draw_of_sizes(
    choices: Sequence[Sequence[int]], sizes: NDArray[np.float64], rng: np.random.Generator
) -> Matrix:
    """Draw one random genotype of each size between the smallest (0) and the largest (1).

    A subnet of size t takes each gene from the binomial distribution with probability t over its
    choices, so that its cost lies about t of the way.

    Args:
        choices: The ascending choices of each gene.
        sizes: ``(n,)``.
        rng: Draws the genes.

    Returns:
        An ``(n, n_genes)`` matrix, which need not be canonical.
    """
    matrix = np.empty((len(sizes), len(choices)), dtype=np.int16)
    for j, of_gene in enumerate(choices):
        matrix[:, j] = np.array(of_gene, dtype=np.int16)[rng.binomial(len(of_gene) - 1, sizes)]
    return matrix


def spread_sizes(n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return ``(n,)`` sizes spread from 0 to 1, both ends first and the others in random order."""
    sizes = np.linspace(0, 1, max(n, 2))
    return np.concatenate([sizes[[0, -1]], rng.permutation(sizes[1:-1])])[:n]

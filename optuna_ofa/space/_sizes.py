"""Random subnets of given sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from optuna_ofa.space._space import Matrix, SearchSpace


def of_sizes(space: SearchSpace, sizes: NDArray[np.float64], rng: np.random.Generator) -> Matrix:
    """One random subnet of each size between the smallest (0) and the largest (1).

    A subnet of size t takes each gene from the binomial distribution with probability t over its
    choices, so that its cost lies about t of the way.

    Args:
        space: Where they come from.
        sizes: ``(n,)``.
        rng: Draws the genes.

    Returns:
        A canonical ``(n, n_genes)`` matrix.
    """
    matrix = np.empty((len(sizes), len(space.genes)), dtype=np.int16)
    for j, gene in enumerate(space.genes):
        choices = np.array(space.choices[gene.name], dtype=np.int16)
        matrix[:, j] = choices[rng.binomial(len(choices) - 1, sizes)]
    return space.canonicalize(matrix)

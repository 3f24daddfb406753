"""Where a search starts."""

from __future__ import annotations

import numpy as np

from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix


def spread(space: SearchSpace, n: int, rng: np.random.Generator) -> Matrix:
    """The smallest subnet, the largest one, and random ones of every size between them.

    A subnet of size t (0..1) takes each gene from the binomial distribution with probability t
    over its choices, so that its cost lies about t of the way. In a small space some are alike.

    Returns:
        A canonical ``(n, n_genes)`` matrix, the two ends first.
    """
    sizes = np.linspace(0, 1, max(n, 2))
    sizes = np.concatenate([sizes[[0, -1]], rng.permutation(sizes[1:-1])])[:n]
    matrix = np.empty((n, len(space.genes)), dtype=np.int16)
    for j, gene in enumerate(space.genes):
        choices = np.array(space.choices[gene.name], dtype=np.int16)
        matrix[:, j] = choices[rng.binomial(len(choices) - 1, sizes)]
    return space.canonicalize(matrix)

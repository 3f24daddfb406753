"""Where a search starts."""

from __future__ import annotations

import numpy as np

from optuna_ofa.space import SearchSpace
from optuna_ofa.space._sizes import of_sizes
from optuna_ofa.space._space import Matrix


def spread(space: SearchSpace, n: int, rng: np.random.Generator) -> Matrix:
    """The smallest subnet, the largest one, and random ones of every size between them.

    In a small space some are alike.

    Returns:
        A canonical ``(n, n_genes)`` matrix, the two ends first.
    """
    sizes = np.linspace(0, 1, max(n, 2))
    sizes = np.concatenate([sizes[[0, -1]], rng.permutation(sizes[1:-1])])[:n]
    return of_sizes(space, sizes, rng)

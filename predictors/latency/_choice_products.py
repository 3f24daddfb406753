"""What the choices of a plain table tell about costs: products of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import ChoiceGene, ChoiceTable, Gene, Matrix, SearchSpace

Array = NDArray[np.float64]
_MOST_FACTORS = 3
# columns of one group of parameters
_MOST_COLUMNS = 64


class ChoiceProducts:
    """Values of parameters, and their products within a group of parameters.

    Layers times width, or layers times expansion times kernel, are amounts of work. Parameters
    belong together if their names are equal up to the last dot, as ``stage1.layers`` and
    ``stage1.kernel`` are. Numbers count from 0, or from their lowest value if that is negative;
    truth values are 0 or 1; a string is 1 for its own value, and has a column for each. Of large
    groups there are products of fewer parameters. What is inactive is 0.

    Args:
        space: The space of the matrices, a plain table of choices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        table = space.table
        assert isinstance(table, ChoiceTable)
        groups: dict[str, list[list[int]]] = {}
        lookups: list[tuple[int, Array]] = []
        for j, gene in enumerate(table.genes):
            columns = list(_lookups(gene, space.choices[gene.name]))
            own = list(range(len(lookups), len(lookups) + len(columns)))
            groups.setdefault(gene.name.rpartition(".")[0], []).append(own)
            lookups += [(j, values) for values in columns]
        self._lookups = lookups
        self._products = [p for group in groups.values() for p in _products(group)]

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self._products)

    def __call__(self, matrix: Matrix) -> Array:
        """Return ``(n, n_features)`` numbers of at least 0."""
        rows = self._space.canonicalize(self._space.check(matrix))
        values = np.stack([of[rows[:, j]] for j, of in self._lookups], axis=1)
        found = np.empty((len(rows), self.n_features))
        for k, product in enumerate(self._products):
            found[:, k] = values[:, product].prod(axis=1)
        return found


def _lookups(gene: Gene, choices: tuple[int, ...]) -> Iterator[Array]:
    """Return arrays from the integers of a gene to its numbers; one, or one a string."""
    assert isinstance(gene, ChoiceGene)
    size = max(gene.choices) + 1
    if gene.is_ordered:
        values = {c: float(gene.value(c)) for c in gene.choices}
        least = min(0.0, *(values[c] for c in choices))
        yield _lookup(size, {c: values[c] - least for c in choices})
    else:
        for choice in choices:
            yield _lookup(size, {choice: 1.0})


def _lookup(size: int, values: dict[int, float]) -> Array:
    found = np.zeros(size)
    found[list(values)] = list(values.values())
    return found


def _products(group: list[list[int]]) -> list[list[int]]:
    """Return the factors of each product of a group, the columns of each of its genes given."""
    found = [[column] for columns in group for column in columns]
    for n_factors in range(2, _MOST_FACTORS + 1):
        more = [
            list(factors)
            for genes in itertools.combinations(group, n_factors)
            for factors in itertools.product(*genes)
        ]
        if len(found) + len(more) > _MOST_COLUMNS:
            break
        found += more
    return found

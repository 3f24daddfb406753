"""Features of the rows of a plain table of choices for linear models."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._changed_genes import GeneTable
from optuna_ofa.space import Gene, Matrix, SearchSpace

Array = NDArray[np.float64]


class Features(Protocol):
    """Numbers that describe a row to a Gaussian process. Called by `GaussianProcessInputs`."""

    @property
    def n_features(self) -> int:
        """Number of features."""

    @property
    def groups(self) -> NDArray[np.intp]:
        """The group of each feature, ``(n_features,)``; those of one share hyper-parameters."""

    def __call__(self, matrix: Matrix) -> Array:
        """Return ``(n, n_features)`` numbers."""

    def shares(self, matrix: Matrix) -> Array:
        """Return how near each row is to each level of noise, ``(n, n_levels)``."""

    @property
    def of_costs(self) -> NDArray[np.intp]:
        """The features that depend on several genes."""

    def costs(self, matrix: Matrix) -> Array:
        """Return these features of canonical rows, ``(n, n_costs)``."""

    def changes(self, anchors: Matrix, slopes: Array) -> LocalModel:
        """Return by how much the other features move a linear function away from anchors.

        Args:
            anchors: ``(m, n_genes)`` canonical genotypes.
            slopes: ``(m, at least n_features)`` derivatives by the features at each.
        """

    def require_mean(self, mean: Array) -> None:
        """Refuse what cannot be the mean of features.

        Raises:
            FormatError: If a number is out of the range of its feature.
        """


class ChoiceFeatures:
    """Features of the choices alone, all of one group and with one level of noise.

    As in `Thermometer`, a gene of numbers has a feature for each step: whether its value is at
    least that far in the order. Strings have none: a gene of them has a feature for each value. A
    conditional gene also has one that tells whether it is active.

    Args:
        space: The space of the matrices, a plain table of choices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        steps = [(j, *step) for j, gene in enumerate(space.genes) for step in _steps(space, gene)]
        self._columns = np.array([j for j, _, _ in steps], dtype=np.intp)
        self._least = np.array([least for _, least, _ in steps], dtype=np.int16)
        self._most = np.array([most for _, _, most in steps], dtype=np.int16)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self._columns)

    @property
    def groups(self) -> NDArray[np.intp]:
        """Return 0 for each feature."""
        return np.zeros(self.n_features, dtype=np.intp)

    def __call__(self, matrix: Matrix) -> Array:
        """Return ``(n, n_features)`` zeros and ones."""
        genes = self._space.canonicalize(self._space.check(matrix))[:, self._columns]
        return ((genes >= self._least) & (genes <= self._most)).astype(float)

    def shares(self, matrix: Matrix) -> Array:
        """Return ones, ``(n, 1)``."""
        return np.ones((len(matrix), 1))

    @property
    def of_costs(self) -> NDArray[np.intp]:
        """Return none."""
        return np.empty(0, dtype=np.intp)

    def costs(self, matrix: Matrix) -> Array:
        """Return none, ``(n, 0)``."""
        return np.empty((len(matrix), 0))

    def changes(self, anchors: Matrix, slopes: Array) -> LocalModel:
        """Return by how much the features move a linear function away from anchors."""
        table = GeneTable.of(self._space)
        own = table.columns == self._columns[:, None]
        steps = (table.values >= self._least[:, None]) & (table.values <= self._most[:, None])
        return table.changes(anchors, slopes[:, : self.n_features] @ (own & steps).astype(float))

    def require_mean(self, mean: Array) -> None:
        """Accept any: models of plain tables are not read from files."""


def _steps(space: SearchSpace, gene: Gene) -> list[tuple[int, int]]:
    """Return the smallest and the largest integer for which each feature of a gene is 1."""
    choices = space.choices[gene.name]
    last = choices[-1]
    # what the first choice of an unconditional gene adds is in the mean
    first = 0 if gene.is_conditional else 1
    if gene.is_ordered or len(choices) == 2:
        return [(choice, last) for choice in choices[first:]]
    active = [(choices[0], last)] if gene.is_conditional else []
    return active + [(choice, choice) for choice in choices * (len(choices) > 1)]

"""Sums over genes, computed for children from the genes in which they differ from a parent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.space import Matrix, SearchSpace

Array = NDArray[np.float64]
_FEW = 64


class GeneTable:
    """A place for each value of each gene, in a table of what the values contribute to a sum.

    Args:
        columns: ``(n_places,)`` the gene of each place.
        values: ``(n_places,)`` its value. What is not listed contributes nothing.
        n_genes: Number of genes.
    """

    def __init__(self, columns: NDArray[np.intp], values: NDArray[np.int16], n_genes: int) -> None:
        self.columns, self.values, self._n_genes = columns, values, n_genes
        self._width = int(values.max(initial=0)) + 1
        places = np.full((n_genes, self._width), len(columns), dtype=np.intp)
        places[columns, values] = np.arange(len(columns))
        self._places = places.ravel()

    @classmethod
    def of(cls, space: SearchSpace) -> GeneTable:
        """Return a table with each choice of each gene of a space, and 0 where it is absent."""
        pairs = [
            (j, value)
            for j, gene in enumerate(space.genes)
            for value in sorted({0, *space.choices[gene.name]})
        ]
        columns, values = np.array(pairs, dtype=np.int16).T
        return cls(columns.astype(np.intp), values, len(space.genes))

    def expanded(self, parts: Array) -> Array:
        """Return what each value of each gene contributes, ``(n_genes, largest value + 1)``.

        Args:
            parts: ``(n_places,)`` what each place contributes.
        """
        return np.append(parts, 0.0)[self._places].reshape(self._n_genes, self._width)

    def sums(self, matrix: Matrix, expanded: Array) -> Array:
        """Return the sum over all genes, ``(n,)``, bit-identical regardless of the other rows.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            expanded: What each value of each gene contributes.
        """
        if len(matrix) < _FEW:  # the same order of the sum, without a loop
            return np.cumsum(expanded[np.arange(self._n_genes), matrix], axis=1)[:, -1]
        total = np.zeros(len(matrix))
        for gene, part in zip(matrix.T, expanded, strict=True):
            total += part[gene]
        return total

    def changes(self, anchors: Matrix, parts: Array) -> LocalModel:
        """Return by how much sums over genes differ from those of anchors.

        Children differ from a parent in few genes, so this takes a third of the time of `sums`.

        Args:
            anchors: ``(m, n_genes)`` canonical genotypes.
            parts: ``(m, n_places)`` what each place contributes near each anchor.
        """
        anchors, width = np.array(anchors), len(self.columns) + 1
        padded = np.zeros((len(anchors), width))
        padded[:, :-1] = parts
        flat = padded.ravel()

        def change(matrix: Matrix, anchor: NDArray[np.intp]) -> Array:
            before = anchors[anchor]
            where = np.flatnonzero(matrix != before)
            rows = where // self._n_genes
            genes = (where - rows * self._n_genes) * self._width
            starts = anchor[rows] * width
            after = flat[starts + self._places[genes + matrix.ravel()[where]]]
            moves = after - flat[starts + self._places[genes + before.ravel()[where]]]
            return np.asarray(np.bincount(rows, moves, minlength=len(matrix)), dtype=float)

        return change

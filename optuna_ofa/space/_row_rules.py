"""The rules that the rows of a genotype matrix obey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space._choices import Choices
from optuna_ofa.space._family import Family
from optuna_ofa.space._matrix import Matrix


class RowRules:
    """The choices of each gene, and the genes that a depth switches off.

    Args:
        family: The family of the rows.
        choices: The integers that each gene may take, by its name.
    """

    def __init__(self, family: Family, choices: Choices) -> None:
        genes = family.genes
        depth_columns = {g.stage: j for j, g in enumerate(genes) if g.kind == "depth"}
        # of genes that a depth can switch off: column, column of the depth, least depth
        rows = [
            (j, depth_columns[g.stage], g.position + 1 - family.stages[g.stage].base_depth)
            for j, g in enumerate(genes)
            if g.position >= 0 and g.stage in depth_columns
        ]
        self._columns, self._depths, least = np.array(rows, dtype=np.intp).reshape(-1, 3).T
        self._least = least.astype(np.int16)
        smallest = [choices[genes[j].name][0] for j in self._columns]
        self._smallest = np.array(smallest, dtype=np.int16)
        # whether each integer is a choice of each gene; the last column, -1, is none
        self._known = np.zeros((len(genes), max(map(max, choices.values())) + 3), dtype=bool)
        for known, gene in zip(self._known, genes, strict=True):
            known[list(choices[gene.name])] = True

    def active_genes(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which genes of each row decide something: all but those of absent blocks."""
        active = np.ones(matrix.shape, dtype=bool)
        active[:, self._columns] = matrix[:, self._depths] >= self._least
        return active

    def canonicalize(self, matrix: Matrix) -> Matrix:
        """Return the rows with 0 in genes of absent blocks, and choices in those of others."""
        rows = np.array(matrix, dtype=np.int16)
        genes = rows[:, self._columns]
        filled = np.where(genes == 0, self._smallest, genes)
        rows[:, self._columns] = np.where(rows[:, self._depths] >= self._least, filled, np.int16(0))
        return rows

    def first_invalid(self, rows: Matrix) -> tuple[int, int] | None:
        """Return the row and column of the first active gene that is no choice, if any."""
        places = np.clip(rows, -1, self._known.shape[1] - 2)
        wrong = self.active_genes(rows) & ~self._known[np.arange(rows.shape[1]), places]
        if not wrong.any():
            return None
        i, j = np.argwhere(wrong)[0].tolist()
        return i, j

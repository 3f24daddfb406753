"""Which genes of a row have an effect: the rules by which genes switch off others."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space._choice_table import ChoiceTable
from optuna_ofa.space._family import Family
from optuna_ofa.space._matrix import Matrix


class Activity(Protocol):
    """Tells which genes have an effect. Called by `RowRules`.

    Attributes:
        n_levels: How many genes at most depend on each other in a row, without the first.
        order: All columns, with those that switch off others before them.
        can_be_off: ``(n_genes,)`` the genes that others can switch off.
    """

    n_levels: int
    order: tuple[int, ...]
    can_be_off: NDArray[np.bool_]

    def __call__(self, rows: Matrix) -> NDArray[np.bool_]:
        """Return which genes of each row have an effect, ``(n, n_genes)``."""


class DepthActivity:
    """Genes of blocks have an effect from some depth of their stage on.

    Args:
        family: The family.
    """

    n_levels = 1

    def __init__(self, family: Family) -> None:
        genes = family.genes
        depth_columns = {g.stage: j for j, g in enumerate(genes) if g.kind == "depth"}
        self.order = tuple(range(len(genes)))  # depths come before blocks
        # the column that can switch each gene off, and its least value with which it does not
        self._depths = np.zeros(len(genes), dtype=np.intp)
        self._least = np.full(len(genes), np.iinfo(np.int16).min, dtype=np.int16)
        for j, gene in enumerate(genes):
            if gene.position >= 0 and gene.stage in depth_columns:
                self._depths[j] = depth_columns[gene.stage]
                self._least[j] = gene.position + 1 - family.stages[gene.stage].base_depth
        self.can_be_off = self._least > np.iinfo(np.int16).min

    def __call__(self, rows: Matrix) -> NDArray[np.bool_]:
        """Return the genes of all except absent blocks."""
        return np.asarray(rows.take(self._depths, axis=1) >= self._least)


class ValueActivity:
    """Genes have an effect with some values of their parents.

    Args:
        table: The table.
    """

    def __init__(self, table: ChoiceTable) -> None:
        genes = table.genes
        self.n_levels = len(table.levels)
        self.order = table.order
        self.can_be_off = np.array([gene.is_conditional for gene in genes])
        self._levels = [np.array(columns, dtype=np.intp) for columns in table.levels]
        self._parents = np.array([gene.parent for gene in genes], dtype=np.intp)
        # for each gene and integer of its parent; the last column is for all other integers
        self._last = max(max(gene.choices) for gene in genes) + 1
        self._allowed = np.zeros((len(genes), self._last + 1), dtype=bool)
        for allowed, gene in zip(self._allowed, genes, strict=True):
            allowed[list(gene.active_with)] = True

    def __call__(self, rows: Matrix) -> NDArray[np.bool_]:
        """Look up the values of the parents, from the first level to the last."""
        active = np.ones(rows.shape, dtype=bool)
        for columns in self._levels:
            parents = self._parents[columns]
            places = np.clip(rows[:, parents], -1, self._last)
            active[:, columns] = active[:, parents] & self._allowed[columns, places]
        return active


def activity_of(table: Family | ChoiceTable) -> Activity:
    """Return which genes of a table have an effect."""
    return DepthActivity(table) if isinstance(table, Family) else ValueActivity(table)

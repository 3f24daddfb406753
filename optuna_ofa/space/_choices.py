"""The choices of a search space: restrictions, checks of rows, and the number of subnets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._family import Family, Gene
from optuna_ofa.space._matrix import Matrix

Choices = Mapping[str, tuple[int, ...]]
Wanted = Iterable[float] | float


def as_list(values: Iterable[Any] | Any) -> list[Any]:
    """Return the values as a list; a single value becomes a list of one."""
    return list(values) if isinstance(values, Iterable) else [values]


def restricted_choices(
    choices: Choices,
    genes: Sequence[Gene],
    by_kind: Mapping[str, Wanted | None],
    by_name: Mapping[str, Wanted],
) -> dict[str, tuple[int, ...]]:
    """Return the choices left by restrictions for kinds of genes and for single genes.

    Args:
        choices: The integers that each gene may take, by its name.
        genes: All genes.
        by_kind: Values to keep in all genes of a kind; None keeps all.
        by_name: Values to keep in single genes.

    Raises:
        InvalidArgumentError: If a value is not offered, or a gene is left without choices.
    """
    for kind, values in by_kind.items():
        if values is not None:
            choices = _keep_kind(choices, genes, kind, values)
    for name, wanted in by_name.items():
        choices = _keep_parameter(choices, genes, name, wanted)
    return dict(choices)


def _keep_kind(choices: Choices, genes: Sequence[Gene], kind: str, values: Wanted) -> Choices:
    of_kind = [gene for gene in genes if gene.kind == kind]
    if not of_kind:
        raise InvalidArgumentError(
            f"`{kind}` must be None, because the family has no elastic {kind}, but got {values!r}."
        )
    return _keep(choices, of_kind, kind, values)


def _keep_parameter(choices: Choices, genes: Sequence[Gene], name: str, values: Wanted) -> Choices:
    named = [gene for gene in genes if gene.name == name]
    if not named:
        raise InvalidArgumentError(
            f"`parameters` must have names of parameters such as "
            f"{', '.join(list(choices)[:3])}, but got {name!r}."
        )
    return _keep(choices, named, name, values)


def _keep(choices: Choices, genes: Sequence[Gene], argument: str, values: Wanted) -> Choices:
    """Keep ``values`` where a gene offers them; each must be offered somewhere."""
    wanted = as_list(values)
    offered = sorted({gene.value(c) for gene in genes for c in choices[gene.name]})
    if not wanted or not all(any(abs(v - o) < 1e-6 for o in offered) for v in wanted):
        raise InvalidArgumentError(f"`{argument}` must be among {offered}, but got {wanted}.")
    left = dict(choices)
    for gene in genes:
        integers = {gene.integer(v) for v in wanted}
        left[gene.name] = tuple(c for c in choices[gene.name] if c in integers)
        if not left[gene.name]:
            raise InvalidArgumentError(
                f"`{argument}` leaves no choice for {gene.name!r}, which offers "
                f"{[gene.value(c) for c in choices[gene.name]]}, but got {wanted}."
            )
    return left


def n_subnets(family: Family, choices: Choices) -> int:
    """Return the exact number of different subnets."""
    count = math.prod(
        len(choices[g.name]) for g in family.genes if g.kind in ("resolution", "width")
    )
    count *= len(choices.get("stem.depth", (0,)))
    return count * math.prod(
        sum(n_of_depth(family, choices, s, d) for d in depths_of(family, choices, s))
        for s in range(len(family.stages))
    )


def n_of_depth(family: Family, choices: Choices, stage: int, depth: int) -> int:
    """Return the number of settings of the blocks of one stage at one depth."""
    n_blocks = family.stages[stage].base_depth + depth
    return math.prod(
        len(choices[g.name])
        for g in family.genes
        if g.stage == stage and 0 <= g.position < n_blocks
    )


def depths_of(family: Family, choices: Choices, stage: int) -> tuple[int, ...]:
    """Return the depths that a stage (counted from 0) may have."""
    return choices.get(f"stage{stage + 1}.depth", family.stages[stage].depths)


class RowRules:
    """The choices of each gene, and the genes that a depth switches off.

    Args:
        family: The family of the rows.
        choices: The integers that each gene may take, by its name.
    """

    def __init__(self, family: Family, choices: Choices) -> None:
        genes = family.genes
        depth_columns = {g.stage: j for j, g in enumerate(genes) if g.kind == "depth"}
        # for genes that a depth can switch off: column, column of the depth, least depth
        rows = [
            (j, depth_columns[g.stage], g.position + 1 - family.stages[g.stage].base_depth)
            for j, g in enumerate(genes)
            if g.position >= 0 and g.stage in depth_columns
        ]
        self._columns, self._depths, least = np.array(rows, dtype=np.intp).reshape(-1, 3).T
        self._least = least.astype(np.int16)
        smallest = [choices[genes[j].name][0] for j in self._columns]
        self._smallest = np.array(smallest, dtype=np.int16)
        # whether each integer is a choice of each gene; the last column, -1, is False
        self._known = np.zeros((len(genes), max(map(max, choices.values())) + 3), dtype=bool)
        for known, gene in zip(self._known, genes, strict=True):
            known[list(choices[gene.name])] = True

    def active_genes(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which genes of each row have an effect: all except those of absent blocks."""
        active = np.ones(matrix.shape, dtype=bool)
        active[:, self._columns] = matrix[:, self._depths] >= self._least
        return active

    def canonicalize(self, matrix: Matrix) -> Matrix:
        """Return the rows with 0 in genes of absent blocks, and valid choices in the others."""
        rows = np.array(matrix, dtype=np.int16)
        genes = rows[:, self._columns]
        filled = np.where(genes == 0, self._smallest, genes)
        rows[:, self._columns] = np.where(rows[:, self._depths] >= self._least, filled, np.int16(0))
        return rows

    def first_invalid(self, rows: Matrix) -> tuple[int, int] | None:
        """Return the row and column of the first active gene that is not a choice, if any."""
        places = np.clip(rows, -1, self._known.shape[1] - 2)
        wrong = self.active_genes(rows) & ~self._known[np.arange(rows.shape[1]), places]
        if not wrong.any():
            return None
        i, j = np.argwhere(wrong)[0].tolist()
        return i, j

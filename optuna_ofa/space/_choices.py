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
# rows at a time, whose masks stay in the processor's cache: five times as fast
_CHUNK = 1024


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
        # the column that can switch each gene off, and its least value with which it does not
        self._depths = np.zeros(len(genes), dtype=np.intp)
        self._least = np.full(len(genes), np.iinfo(np.int16).min, dtype=np.int16)
        for j, gene in enumerate(genes):
            if gene.position >= 0 and gene.stage in depth_columns:
                self._depths[j] = depth_columns[gene.stage]
                self._least[j] = gene.position + 1 - family.stages[gene.stage].base_depth
        self._can_be_absent = self._least > np.iinfo(np.int16).min
        self._smallest = np.array([choices[gene.name][0] for gene in genes], dtype=np.int16)
        # whether each integer is a choice of each gene; the last column is False
        self._known = np.zeros((len(genes), max(map(max, choices.values())) + 2), dtype=bool)
        for known, gene in zip(self._known, genes, strict=True):
            known[list(choices[gene.name])] = True
        self._starts = np.arange(len(genes), dtype=np.int32) * self._known.shape[1]

    def active_genes(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which genes of each row have an effect: all except those of absent blocks."""
        return np.asarray(matrix.take(self._depths, axis=1) >= self._least)

    def canonicalize(self, matrix: Matrix) -> Matrix:
        """Return the rows with 0 in genes of absent blocks, and valid choices in the others."""
        rows = np.array(matrix, dtype=np.int16)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            active = self.active_genes(part)
            part *= active
            missing = (part == 0) & active & self._can_be_absent
            if missing.any():
                _, columns = which = np.nonzero(missing)
                part[which] = self._smallest[columns]
        return rows

    def first_invalid(self, rows: Matrix) -> tuple[int, int] | None:
        """Return the row and column of the first active gene that is not a choice, if any."""
        last = np.uint16(self._known.shape[1] - 1)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            places = np.minimum(part.view(np.uint16), last)  # negative values become large
            wrong = self.active_genes(part) & ~self._known.take(places + self._starts)
            if wrong.any():
                i, j = np.argwhere(wrong)[0].tolist()
                return start + i, j
        return None

"""The choices of a search space: restrictions, checks of rows, and the number of subnets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space._activity import activity_of
from optuna_ofa.space._choice_gene import ChoiceGene, Value
from optuna_ofa.space._choice_table import ChoiceTable
from optuna_ofa.space._family import Family, Gene
from optuna_ofa.space._matrix import Matrix

Choices = Mapping[str, tuple[int, ...]]
Wanted = Iterable[Value] | Value
# rows at a time, whose masks stay in the processor's cache: five times as fast
_CHUNK = 1024


def as_list(values: Iterable[Any] | Any) -> list[Any]:
    """Return the values as a list; a single value becomes a list of one."""
    is_one = isinstance(values, str) or not isinstance(values, Iterable)
    return [values] if is_one else list(values)


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
    # genes of one choice have no say, unless there are no others
    of_kind = [gene for gene in of_kind if len(gene.choices) > 1] or of_kind
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
    known = [{gene.find(v) for v in wanted} & set(choices[gene.name]) for gene in genes]
    offered = list(dict.fromkeys(gene.value(c) for gene in genes for c in choices[gene.name]))
    if not wanted or not all(
        any(gene.find(v) in choices[gene.name] for gene in genes) for v in wanted
    ):
        raise InvalidArgumentError(
            f"`{argument}` must be among {_sorted(genes, offered)}, but got {wanted}."
        )
    left = dict(choices)
    for gene, integers in zip(genes, known, strict=True):
        left[gene.name] = tuple(c for c in choices[gene.name] if c in integers)
        if not left[gene.name]:
            raise InvalidArgumentError(
                f"`{argument}` leaves no choice for {gene.name!r}, which offers "
                f"{[gene.value(c) for c in choices[gene.name]]}, but got {wanted}."
            )
    return left


def _sorted(genes: Sequence[Gene], values: list[Any]) -> list[Any]:
    """Return the values of several genes ascending, those of one in their own order."""
    return sorted(values) if len(genes) > 1 else values


def n_subnets(table: Family | ChoiceTable, choices: Choices) -> int:
    """Return the exact number of different subnets."""
    if isinstance(table, ChoiceTable):
        counts = counts_below(table, choices)
        genes = zip(table.genes, counts, strict=True)
        return math.prod(sum(of.values()) for gene, of in genes if not gene.is_conditional)
    count = math.prod(
        len(choices[g.name]) for g in table.genes if g.kind in ("resolution", "width")
    )
    count *= len(choices.get("stem.depth", (0,)))
    return count * math.prod(
        sum(n_of_depth(table, choices, s, d) for d in depths_of(table, choices, s))
        for s in range(len(table.stages))
    )


def counts_below(table: ChoiceTable, choices: Choices) -> list[dict[int, int]]:
    """Return the number of settings of all that depends on each gene, by the gene's choice."""
    children: list[list[ChoiceGene]] = [[] for _ in table.genes]
    for gene in table.genes:
        if gene.is_conditional:
            children[gene.parent].append(gene)
    counts: dict[str, dict[int, int]] = {}
    for j in reversed(table.order):
        totals = [(gene, sum(counts[gene.name].values())) for gene in children[j]]
        name = table.genes[j].name
        counts[name] = {
            integer: math.prod(n for gene, n in totals if integer in gene.active_with)
            for integer in choices[name]
        }
    return [counts[gene.name] for gene in table.genes]


def n_of_depth(family: Family, choices: Choices, stage: int, depth: int) -> int:
    """Return the number of settings of the blocks of one stage at one depth."""
    n_blocks = family.stages[stage].base_depth + depth
    return math.prod(
        len(choices[g.name])
        for g in family.genes
        if g.stage == stage and 0 <= g.position < n_blocks
    )


def weights_of(table: Family | ChoiceTable, choices: Choices) -> list[list[float] | None]:
    """Return probabilities of each gene's choices that make all subnets equally likely.

    None where all choices of a gene are equally likely.
    """
    counts: list[list[int] | None] = [None] * len(table.genes)
    if isinstance(table, ChoiceTable):
        counts = [[*of.values()] for of in counts_below(table, choices)]
    else:
        for j, gene in enumerate(table.genes):
            if gene.kind == "depth" and gene.stage >= 0:
                depths = choices[gene.name]
                counts[j] = [n_of_depth(table, choices, gene.stage, d) for d in depths]
    return [None if of is None else [c / sum(of) for c in of] for of in counts]


def depths_of(family: Family, choices: Choices, stage: int) -> tuple[int, ...]:
    """Return the depths that a stage (counted from 0) may have."""
    return choices.get(f"stage{stage + 1}.depth", family.stages[stage].depths)


class RowRules:
    """The choices of each gene, and the genes that others switch off.

    Args:
        table: The genes.
        choices: The integers that each gene may take, by its name.

    Attributes:
        active_genes: Returns which genes of each row have an effect.
    """

    def __init__(self, table: Family | ChoiceTable, choices: Choices) -> None:
        genes = table.genes
        self.active_genes = activity_of(table)
        self._smallest = np.array([choices[gene.name][0] for gene in genes], dtype=np.int16)
        # whether each integer is a choice of each gene; the last column is False
        self._known = np.zeros((len(genes), max(map(max, choices.values())) + 2), dtype=bool)
        for known, gene in zip(self._known, genes, strict=True):
            known[list(choices[gene.name])] = True
        self._starts = np.arange(len(genes), dtype=np.int32) * self._known.shape[1]

    def canonicalize(self, matrix: Matrix) -> Matrix:
        """Return the rows with 0 in genes without effect, and valid choices in the others."""
        rows = np.array(matrix, dtype=np.int16)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            for _ in range(self.active_genes.n_levels):  # a choice may switch on others
                active = self.active_genes(part)
                part *= active
                missing = (part == 0) & active & self.active_genes.can_be_off
                if not missing.any():
                    break
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

"""The order in which the genes of a space are eliminated: blocks, depths, then widths."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from optuna_ofa.space import Matrix, SearchSpace, slots

_RESOLUTION = 0  # its column; each resolution is treated on its own


class Bucket(NamedTuple):
    """The genes that are eliminated together, and all that depends on no gene after them.

    Args:
        columns: The genes: those of one block, or a single one.
        values: ``(n_values, n_columns)`` their settings.
        scope: Indices of the buckets whose genes matter here: its own, then later ones, ascending.
        shape: Number of settings of each of these.
        children: Earlier buckets whose next one this is.
        slots: Indices of the family's slots whose layers are determined here.
        genes: Genes whose own contributions are determined here.
        rows: ``(prod(shape), n_genes)`` canonical genotypes of all settings of the scope.
    """

    columns: tuple[int, ...]
    values: Matrix
    scope: tuple[int, ...]
    shape: tuple[int, ...]
    children: tuple[int, ...]
    slots: tuple[int, ...]
    genes: tuple[int, ...]
    rows: Matrix

    @property
    def is_root(self) -> bool:
        """Whether nothing after it depends on its genes."""
        return len(self.scope) == 1


def buckets_of(space: SearchSpace) -> tuple[Bucket, ...]:
    """Return the buckets of a space, in their order.

    A block depends on its stage's depth and, where widths are elastic, on the widths around it; a
    depth on these widths; a width on the next one. So no scope has more than four entries.
    """
    groups = _groups(space)
    bucket_of = {column: i for i, columns in enumerate(groups) for column in columns}
    scopes: list[set[int]] = [{i} for i in range(len(groups))]
    own_slots: list[list[int]] = [[] for _ in groups]
    own_genes: list[list[int]] = [[] for _ in groups]
    slot_columns = [slot.columns for slot in slots(space.family)]
    for found, items in ((own_slots, slot_columns), (own_genes, list(_gene_columns(space)))):
        for index, columns in enumerate(items):
            scope = {bucket_of[j] for j in columns if j != _RESOLUTION}
            if scope:
                found[min(scope)].append(index)
                scopes[min(scope)] |= scope
    children: list[list[int]] = [[] for _ in groups]
    for i, scope in enumerate(scopes):
        if later := scope - {i}:
            children[min(later)].append(i)
            scopes[min(later)] |= later
    values = [_settings(space, columns) for columns in groups]
    ordered = [tuple(sorted(scope)) for scope in scopes]
    return tuple(
        Bucket(
            columns=groups[i],
            values=values[i],
            scope=ordered[i],
            shape=tuple(len(values[k]) for k in ordered[i]),
            children=tuple(children[i]),
            slots=tuple(own_slots[i]),
            genes=tuple(own_genes[i]),
            rows=_rows(space, [(groups[k], values[k]) for k in ordered[i]]),
        )
        for i in range(len(groups))
    )


def _groups(space: SearchSpace) -> list[tuple[int, ...]]:
    """Return the columns that are eliminated together, in the order of their elimination."""
    groups: dict[tuple[int, int, int], list[int]] = {}
    for j, gene in enumerate(space.genes):
        if gene.position >= 0:
            groups.setdefault((0, gene.stage, gene.position), []).append(j)
        elif j != _RESOLUTION:
            groups[1 if gene.kind == "depth" else 2, j, 0] = [j]
    return [tuple(groups[key]) for key in sorted(groups)]


def _gene_columns(space: SearchSpace) -> Iterator[tuple[int, ...]]:
    """Return the columns that tell a canonical gene: itself, and the depth that may remove it."""
    depths = {gene.stage: j for j, gene in enumerate(space.genes) if gene.kind == "depth"}
    for j, gene in enumerate(space.genes):
        yield (j, depths[gene.stage]) if gene.position >= 0 and gene.stage in depths else (j,)


def _settings(space: SearchSpace, columns: tuple[int, ...]) -> Matrix:
    choices = [space.choices[space.genes[j].name] for j in columns]
    return np.array(list(itertools.product(*choices)), dtype=np.int16)


def _rows(space: SearchSpace, scope: list[tuple[tuple[int, ...], Matrix]]) -> Matrix:
    places = np.indices([len(values) for _, values in scope]).reshape(len(scope), -1)
    rows = space.to_matrix([space.smallest()]).repeat(places.shape[1], axis=0)
    for (columns, values), place in zip(scope, places, strict=True):
        rows[:, columns] = values[place]
    return space.canonicalize(rows)

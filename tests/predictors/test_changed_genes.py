"""Sums over genes, at once and by the genes that changed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import SearchSpace
from optuna_ofa.predictors._changed_genes import GeneTable

SPACE = SearchSpace("ofa_mbv3_w1.0")
ROWS = SPACE.sample(90, seed=0)


@pytest.fixture
def table() -> GeneTable:
    pairs = [(j, c) for j, gene in enumerate(SPACE.genes) for c in SPACE.choices[gene.name]]
    columns, values = np.array(pairs).T
    return GeneTable(columns, values.astype(np.int16), len(SPACE.genes))


def one_by_one(
    table: GeneTable, rows: NDArray[np.int16], parts: NDArray[np.float64]
) -> list[float]:
    known = dict(zip(zip(table.columns, table.values, strict=True), parts, strict=True))
    return [sum(known.get((j, v), 0.0) for j, v in enumerate(row)) for row in rows.tolist()]


def test_sums_are_those_of_each_gene(table: GeneTable) -> None:
    parts = np.random.default_rng(1).normal(size=len(table.columns))
    parts_of_values = table.expanded(parts)
    sums = table.sums(ROWS, parts_of_values)
    assert sums == pytest.approx(one_by_one(table, ROWS, parts), abs=1e-12)
    assert np.array_equal(table.sums(ROWS[7:8], parts_of_values), sums[7:8])


def test_changes_are_differences_of_sums_with_the_parts_of_the_anchor(table: GeneTable) -> None:
    anchors, children = ROWS[:3], ROWS[3:]
    parts = np.random.default_rng(2).normal(size=(3, len(table.columns)))
    anchor = np.arange(len(children)) % 3
    found = table.changes(anchors, parts)(children, anchor)
    for i, child in enumerate(children):
        own = parts[anchor[i]]
        after, before = one_by_one(table, np.stack([child, anchors[anchor[i]]]), own)
        assert found[i] == pytest.approx(after - before, abs=1e-12)


def test_nothing_changes_at_an_anchor(table: GeneTable) -> None:
    parts = np.random.default_rng(3).normal(size=(90, len(table.columns)))
    assert not table.changes(ROWS, parts)(ROWS, np.arange(90)).any()


def test_later_changes_of_the_anchors_do_not_matter(table: GeneTable) -> None:
    parts = np.random.default_rng(4).normal(size=(2, len(table.columns)))
    anchors = ROWS[:2].copy()
    change = table.changes(anchors, parts)
    before = change(ROWS[2:4], np.arange(2))
    anchors[:] = 0
    assert np.array_equal(change(ROWS[2:4], np.arange(2)), before)


def test_no_children_have_no_changes(table: GeneTable) -> None:
    change = table.changes(ROWS[:0], np.empty((0, len(table.columns))))
    assert change(ROWS[:0], np.empty(0, dtype=np.intp)).shape == (0,)

"""Genotype matrices: round trips, the canonical form and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.space import SearchSpace, families, genotype_of

FAMILIES = [
    *(family.name for family in families()),
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


def column(space: SearchSpace, name: str) -> int:
    return [gene.name for gene in space.genes].index(name)


@pytest.mark.parametrize("family", FAMILIES)
def test_round_trip_of_a_matrix(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(200, seed=0)
    np.testing.assert_array_equal(space.to_matrix(space.from_matrix(matrix)), matrix)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_the_genotypes_of_their_subnets(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(50, seed=1)
    assert [genotype_of(s) for s in space.from_matrix(matrix)] == [tuple(r) for r in matrix]


def test_no_subnets() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    assert space.to_matrix([]).shape == (0, 46)
    assert space.from_matrix(np.empty((0, 46), dtype=np.int16)) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_canonical_rows_do_not_change(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(200, seed=2)
    np.testing.assert_array_equal(space.canonicalize(matrix), matrix)


@pytest.mark.parametrize("family", FAMILIES)
def test_genes_of_absent_blocks_become_zero(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(200, seed=3)
    active = space.active_genes(matrix)
    filled = np.where(active, matrix, np.int16(99))
    np.testing.assert_array_equal(space.canonicalize(filled), matrix)
    assert not active.all()


@pytest.mark.parametrize("family", FAMILIES)
def test_active_genes_are_those_of_active_blocks(family: str) -> None:
    space = SearchSpace(family)
    matrix = space.sample(50, seed=4)
    for row, active, subnet in zip(
        matrix, space.active_genes(matrix), space.from_matrix(matrix), strict=True
    ):
        expected = [gene.block < 0 or subnet.active[gene.block] for gene in space.genes]
        assert active.tolist() == expected, row


@pytest.mark.parametrize("family", FAMILIES)
def test_block_genes_are_those_of_blocks(family: str) -> None:
    space = SearchSpace(family)
    assert space.block_genes.tolist() == [gene.block >= 0 for gene in space.genes]


def test_a_block_that_has_just_become_active_is_the_smallest() -> None:
    space = SearchSpace("ofa_mbv3_w1.0").restrict(kernel=[5, 7])
    matrix = space.to_matrix([space.subnet(depth=2)])
    matrix[0, column(space, "stage1.depth")] = 3
    row = space.canonicalize(matrix)[0]
    assert row[column(space, "stage1.block3.kernel")] == 5
    assert row[column(space, "stage1.block4.kernel")] == 0


def test_canonicalize_leaves_the_given_matrix_as_it_was() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    matrix = np.full((1, 46), 3, dtype=np.int16)
    space.canonicalize(matrix)
    assert (matrix == 3).all()


def test_check_accepts_integers_of_any_type() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    matrix = space.sample(3, seed=5)
    checked = space.check(matrix.astype(float).tolist())
    assert checked.dtype == np.int16
    np.testing.assert_array_equal(checked, matrix)


def invalid(name: str, value: float) -> Any:
    space = SearchSpace("ofa_mbv3_w1.0")
    matrix = space.to_matrix([space.smallest()] * 3).astype(float)
    matrix[1, column(space, name)] = value
    return matrix


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.zeros((2, 45)), r"shape \(n, 46\) for ofa_mbv3_w1\.0, but got \(2, 45\)"),
        (np.zeros(46), r"shape \(n, 46\) .* but got \(46,\)"),
        (invalid("resolution", 224.5), "`matrix` must hold integers, but got float64"),
        (invalid("resolution", 65536 + 224), "`matrix` must hold integers"),
        (invalid("resolution", 225), r"`matrix\[1\]` must have 'resolution' among .* but got 225"),
        (invalid("stage2.depth", 1), r"`matrix\[1\]` must have 'stage2\.depth' among \(2, 3, 4\)"),
        (invalid("stage1.block2.kernel", 4), r"'stage1\.block2\.kernel' among \(3, 5, 7\)"),
        (invalid("stage1.block2.expand", 0), r"'stage1\.block2\.expand' among \(3, 4, 6\)"),
    ],
    ids=["columns", "vector", "fraction", "overflow", "resolution", "depth", "kernel", "missing"],
)
def test_other_matrices_are_refused(matrix: Any, match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        SearchSpace("ofa_mbv3_w1.0").check(matrix)


def test_genes_of_absent_blocks_are_not_checked() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    matrix = invalid("stage1.block4.kernel", 99)
    assert space.from_matrix(matrix) == [space.smallest()] * 3


def test_a_subnet_of_another_family_is_refused() -> None:
    with pytest.raises(InvalidSubnetError, match=r"must be of ofa_mbv3_w1\.0, but got one of"):
        SearchSpace("ofa_mbv3_w1.0").to_matrix([SearchSpace("ofa_mbv3_w1.2").smallest()])


def test_a_subnet_outside_of_the_space_is_refused() -> None:
    space = SearchSpace("ofa_mbv3_w1.0")
    with pytest.raises(InvalidSubnetError, match=r"'stage1\.block1\.kernel' among \(3, 5\)"):
        space.restrict(kernel=[3, 5]).to_matrix([space.largest()])

"""Sums over layers, for whole matrices."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import InvalidSubnetError, MissingEntryError
from optuna_ofa.space import Layer, SearchSpace, families, subnet_layers

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
# the full space, one with sizes and choices taken away, and one with sizes of other tables
SPACES = {
    **{name: SearchSpace(name) for name in FAMILIES},
    "restricted": SearchSpace("ofa_mbv3_w1.2").restrict(resolution=[160, 192], kernel=[3, 7]),
    "other-sizes": SearchSpace("ofa_resnet50", resolution=[97, 256, 300]),
}
SPACE = SPACES["ofa_mbv3_w1.0"]


def price(layer: Layer, resolution: int) -> float:
    """Something irrational that depends on everything."""
    fields = (
        layer.in_channels,
        layer.mid_channels,
        layer.out_channels,
        layer.kernel,
        layer.stride,
        layer.in_size,
        layer.out_size,
        layer.use_se,
        resolution,
    )
    return float(sum(np.sqrt(1 + i + value) for i, value in enumerate(fields)))


def shuffled_absent(space: SearchSpace, matrix: NDArray[np.int16]) -> NDArray[np.int16]:
    """The same subnets, with choices of the space in the genes of absent blocks."""
    largest = space.to_matrix([space.largest()])
    return np.where(space.active_genes(matrix), matrix, largest)


@pytest.mark.parametrize("name", SPACES)
def test_equals_the_loop_over_layers(name: str) -> None:
    space = SPACES[name]
    matrix = space.sample(200, seed=0)
    expected = [
        sum(price(layer, subnet.resolution) for layer in subnet_layers(subnet))
        for subnet in space.from_matrix(matrix)
    ]
    np.testing.assert_allclose(LayerSum(space, price)(matrix), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SPACES)
def test_genes_of_absent_blocks_do_not_matter(name: str) -> None:
    space = SPACES[name]
    matrix = space.sample(200, seed=1)
    other = shuffled_absent(space, matrix)
    layer_sum = LayerSum(space, price)
    assert (matrix != other).any()
    np.testing.assert_array_equal(layer_sum(other), layer_sum(matrix))


def test_genes_of_absent_blocks_may_be_no_choices() -> None:
    matrix = SPACE.sample(50, seed=2)
    other = np.where(SPACE.active_genes(matrix), matrix, np.int16(1000))
    layer_sum = LayerSum(SPACE, price)
    np.testing.assert_array_equal(layer_sum(other), layer_sum(matrix))


@pytest.mark.parametrize("size", [1, 2, 7, 5000])
def test_same_bits_in_any_batch(size: int) -> None:
    matrix = SPACE.sample(5001, seed=3)
    layer_sum = LayerSum(SPACE, price)
    together = layer_sum(matrix)
    for start in (0, 1, 5001 - size):
        part = slice(start, start + size)
        np.testing.assert_array_equal(layer_sum(matrix[part]), together[part])


def test_same_bits_in_any_memory_order() -> None:
    matrix = SPACE.sample(100, seed=4)
    layer_sum = LayerSum(SPACE, price)
    np.testing.assert_array_equal(layer_sum(np.asfortranarray(matrix)), layer_sum(matrix))


def test_no_subnets() -> None:
    assert LayerSum(SPACE, price)(SPACE.sample(0, seed=0)).shape == (0,)


@pytest.mark.parametrize(
    ("gene", "value"),
    [
        ("resolution", 130),  # between two
        ("resolution", 228),  # above all
        ("resolution", -4),
        ("stage2.depth", 5),
        ("stage2.depth", 9),
        ("stage3.block1.kernel", 4),
        ("stage3.block1.kernel", 13),
        ("stage3.block1.kernel", 0),
        ("stage1.block1.expand", 17),  # once the price of another kernel
        ("stage1.block1.expand", 32_767),
    ],
)
def test_value_outside_of_the_space_is_refused(gene: str, value: int) -> None:
    matrix = np.repeat(SPACE.to_matrix([SPACE.subnet(kernel=3, expand=3)]), 3, axis=0)
    matrix[1, [g.name for g in SPACE.genes].index(gene)] = value
    layer_sum = LayerSum(SPACE, price)
    message = rf"`matrix\[1\]` must have '{gene}' .*got {value}"
    with pytest.raises(InvalidSubnetError, match=message):
        layer_sum(matrix)


def test_choice_that_a_restriction_took_away_is_refused() -> None:
    layer_sum = LayerSum(SPACES["restricted"], price)
    matrix = SearchSpace("ofa_mbv3_w1.2").sample(10, seed=0)
    with pytest.raises(InvalidSubnetError, match=r"'resolution' among \(160, 192\)"):
        layer_sum(matrix)


@pytest.mark.parametrize(
    ("matrix", "match"),
    [
        (np.zeros((3, 5), np.int16), r"shape \(n, 46\) .*\(3, 5\)"),
        (np.zeros(46, np.int16), r"shape \(n, 46\) .*\(46,\)"),
        (np.full((1, 46), 3.5), "integers"),
    ],
    ids=["columns", "one-dimensional", "fractions"],
)
def test_matrix_of_another_form_is_refused(matrix: NDArray[np.int16], match: str) -> None:
    with pytest.raises(InvalidSubnetError, match=match):
        LayerSum(SPACE, price)(matrix)


def test_other_integers_are_taken() -> None:
    matrix = SPACE.sample(10, seed=6)
    layer_sum = LayerSum(SPACE, price)
    np.testing.assert_array_equal(layer_sum(matrix.astype(np.int64)), layer_sum(matrix))


def test_missing_price_names_a_subnet_that_needs_it() -> None:
    def without(layer: Layer, resolution: int) -> float:
        if layer.kernel == 7 and layer.in_channels == 112:
            raise MissingEntryError("No entry.")
        return 1.0

    with pytest.raises(MissingEntryError, match=r"No entry\. Needed by ofa_mbv3_w1\.0@128 .*k7"):
        LayerSum(SPACE, without)

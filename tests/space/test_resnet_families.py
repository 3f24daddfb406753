"""The tables of pretrained ResNets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optuna_ofa.costs import layer_macs, layer_params
from optuna_ofa.space import Layer, SearchSpace, get_family, subnet_layers

NAMES = ("resnet50", "resnet20_cifar10")


@pytest.mark.parametrize(
    ("name", "n_params", "macs_in_millions"),
    [("resnet50", 25_557_032, 4089.2), ("resnet20_cifar10", 269_722, 40.6)],
    ids=NAMES,
)
def test_the_largest_subnet_has_the_published_costs(
    name: str, n_params: int, macs_in_millions: float
) -> None:
    layers = subnet_layers(SearchSpace(name).largest())
    assert sum(map(layer_params, layers)) == n_params
    assert round(sum(map(layer_macs, layers)) / 1e6, 1) == macs_in_millions


@pytest.mark.parametrize(
    ("name", "roles"),
    [("resnet50", ["stem", "pool", "block"]), ("resnet20_cifar10", ["stem", "block", "block"])],
    ids=NAMES,
)
def test_the_stem_is_one_convolution(name: str, roles: list[str]) -> None:
    layers = subnet_layers(SearchSpace(name).largest())
    assert [layer.role for layer in layers[:3]] == roles


def blocks(name: str) -> list[Layer]:
    layers = subnet_layers(SearchSpace(name).largest())
    return [layer for layer in layers if layer.role == "block"]


def test_blocks_of_resnet50() -> None:
    found = [(b.in_channels, b.mid_channels, b.out_channels, b.stride) for b in blocks("resnet50")]
    assert found[0] == (64, 64, 256, 1)
    assert found[3:5] == [(256, 128, 512, 2), (512, 128, 512, 1)]
    assert found[-1] == (2048, 512, 2048, 1)
    assert [b.out_size for b in blocks("resnet50")] == [56] * 3 + [28] * 4 + [14] * 6 + [7] * 3


def test_shortcuts_change_the_shape_only_where_they_must() -> None:
    whole = [b.shortcut for b in blocks("resnet20_cifar10")]
    assert whole == [True, True, True, False, True, True, False, True, True]
    assert {b.downsample for b in blocks("resnet20_cifar10") if not b.shortcut} == {"pad"}
    assert [b.shortcut for b in blocks("resnet50")][:4] == [False, True, True, False]
    assert {b.downsample for b in blocks("resnet50") if not b.shortcut} == {"conv"}


@pytest.mark.parametrize("name", NAMES)
def test_depths_begin_at_one_and_widths_have_no_genes(name: str) -> None:
    space = SearchSpace(name)
    smallest = space.smallest()
    assert smallest.depth == (1,) * len(space.family.stages)
    assert {gene.kind for gene in space.genes} == {"resolution", "depth", "expand"}


def test_middle_channels_are_shares() -> None:
    middle = [
        subnet_layers(SearchSpace("resnet20_cifar10").subnet(expand=share))[1].mid_channels
        for share in (0.25, 0.5, 0.75, 1)
    ]
    assert middle == [4, 8, 12, 16]
    assert subnet_layers(SearchSpace("resnet50").subnet(expand=0.75))[2].mid_channels == 48


def test_a_stage_may_have_one_depth() -> None:
    family = get_family("resnet20_cifar10")
    stages = tuple(replace(stage, depths=(2,)) for stage in family.stages)
    space = SearchSpace(replace(family, name="own", stages=stages))
    assert [layer.role for layer in subnet_layers(space.smallest())].count("block") == 6
    assert {gene.kind for gene in space.genes} == {"resolution", "expand"}

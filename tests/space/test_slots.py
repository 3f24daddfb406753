"""Layers of subnets, and the slots that they stand in."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from optuna_ofa.space import Layer, SearchSpace, Subnet, families, get_family, slots, subnet_layers

FAMILIES = [
    *(family.name for family in families()),
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


def random_subnets(family: str, n: int = 30) -> list[Subnet]:
    space = SearchSpace(family, resolution=[128, 188, 209, 224])
    return space.from_matrix(space.sample(n, seed=6))


@pytest.mark.parametrize("family", FAMILIES)
def test_each_layer_takes_what_the_one_before_gives(family: str) -> None:
    for subnet in random_subnets(family):
        layers = subnet_layers(subnet)
        assert (layers[0].in_channels, layers[0].in_size) == (3, subnet.resolution)
        for before, layer in pairwise(layers):
            assert (layer.in_channels, layer.in_size) == (before.out_channels, before.out_size)
        assert (layers[-1].kind, layers[-1].out_channels) == ("linear", 1000)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_active_block_is_a_layer(family: str) -> None:
    for subnet in random_subnets(family):
        blocks = [layer for layer in subnet_layers(subnet) if layer.role == "block"]
        active = [i for i, is_active in enumerate(subnet.active) if is_active]
        fixed = 1 if subnet.family.block == "mbconv" else 0
        expand = [subnet.expand[i] for i in active]
        assert [block.expand for block in blocks[fixed:]] == expand


@pytest.mark.parametrize("family", FAMILIES)
def test_few_different_layers_stand_in_a_slot(family: str) -> None:
    genes = get_family(family).genes
    for slot in slots(get_family(family)):
        assert math.prod(len(genes[j].choices) for j in slot.columns) <= 25 * 3**4


@pytest.mark.parametrize(
    ("resolution", "sizes"),
    [
        (224, [112, 112, 56, 28, 14, 14, 7]),
        (209, [105, 105, 53, 27, 14, 14, 7]),
        (188, [94, 94, 47, 24, 12, 12, 6]),
    ],
    ids=str,
)
def test_sizes_of_mobilenet_round_up(resolution: int, sizes: list[int]) -> None:
    layers = subnet_layers(SearchSpace("ofa_mbv3_w1.0").subnet(resolution=resolution, depth=2))
    firsts = [layers[0], layers[1], *layers[2:12:2]]
    assert [layer.out_size for layer in firsts] == sizes


def test_sizes_of_resnet() -> None:
    subnet = SearchSpace("ofa_resnet50").smallest()
    layers = subnet_layers(replace(subnet, resolution=224))
    assert [layer.out_size for layer in layers] == [
        *(112, 112, 56),
        *(56, 56),
        *(28, 28),
        *(14,) * 4,
        *(7, 7),
        *(1, 1),
    ]


@pytest.mark.parametrize(
    ("family", "roles"),
    [
        ("ofa_mbv3_w1.0", ["final_expand", "pool", "feature_mix", "classifier"]),
        ("ofa_proxyless_w1.3", ["block", "feature_mix", "pool", "classifier"]),
        ("ofa_resnet50", ["block", "block", "pool", "classifier"]),
    ],
)
def test_heads(family: str, roles: list[str]) -> None:
    layers = subnet_layers(SearchSpace(family).smallest())
    assert [layer.role for layer in layers[-4:]] == roles


@pytest.mark.parametrize(
    ("depth", "roles"),
    [(0, ["stem", "stem_out", "pool"]), (2, ["stem", "stem_skip", "stem_out", "pool"])],
    ids=["skipped", "there"],
)
def test_the_depth_of_resnets_stem(depth: int, roles: list[str]) -> None:
    subnet = SearchSpace("ofa_resnet50").subnet(depth=(depth, 0, 0, 0, 0))
    assert [layer.role for layer in subnet_layers(subnet)[: len(roles)]] == roles


@pytest.mark.parametrize(
    ("family", "shortcut"), [("ofa_mbv3_w1.0", True), ("ofa_proxyless_w1.3", False)]
)
def test_shortcut_of_the_fixed_block(family: str, shortcut: bool) -> None:
    assert subnet_layers(SearchSpace(family).smallest())[1].shortcut is shortcut


def test_first_blocks_of_stages_have_no_shortcut() -> None:
    layers = subnet_layers(SearchSpace("ofa_mbv3_w1.0").largest())[2:22]
    assert [layer.shortcut for layer in layers] == [False, True, True, True] * 5


def test_squeeze_excite_and_activation_of_each_stage() -> None:
    layers = subnet_layers(SearchSpace("ofa_mbv3_w1.0").largest())[2:22:4]
    assert [layer.use_se for layer in layers] == [False, True, False, True, True]
    assert [layer.act for layer in layers] == ["relu", "relu", "h_swish", "h_swish", "h_swish"]


def test_one_block_in_full() -> None:
    subnet = SearchSpace("ofa_mbv3_w1.2").subnet(resolution=224, kernel=5, expand=4)
    assert subnet_layers(subnet)[6] == Layer(
        role="block",
        kind="mbconv",
        in_channels=32,
        out_channels=48,
        in_size=56,
        out_size=28,
        mid_channels=128,
        kernel=5,
        stride=2,
        expand=4,
        act="relu",
        use_se=True,
        shortcut=False,
    )


def test_middle_of_a_bottleneck_is_relative_to_its_output() -> None:
    subnet = SearchSpace("ofa_resnet50").subnet(width=1, expand=0.35)
    block = next(layer for layer in subnet_layers(subnet) if layer.kind == "bottleneck")
    assert (block.in_channels, block.mid_channels, block.out_channels) == (48, 72, 208)


@pytest.mark.parametrize(
    ("divisor", "middle"), [(8, [16, 24, 40, 50]), (2, [12, 26, 38, 50])], ids=["8", "2"]
)
def test_middle_channels_are_shares_of_those_of_the_stage(divisor: int, middle: list[int]) -> None:
    stages = [
        replace(stage, mid_channels=(50,) * stage.max_blocks)
        for stage in get_family("ofa_resnet50").stages
    ]
    family = replace(
        get_family("ofa_resnet50"),
        name="own",
        stages=tuple(stages),
        expands=(0.25, 0.5, 0.75, 1),
        divisor=divisor,
    )
    space = SearchSpace(family)
    blocks = [subnet_layers(space.subnet(expand=share))[-3] for share in family.expands]
    assert [block.mid_channels for block in blocks] == middle
    assert [block.expand for block in blocks] == [0.25, 0.5, 0.75, 1]


def test_fractional_ratios_of_a_family_of_ones_own() -> None:
    family = replace(get_family("ofa_mbv3_w1.0"), name="own", expands=(2.5, 4))
    layers = subnet_layers(SearchSpace(family).smallest())
    assert (layers[2].expand, layers[2].mid_channels) == (2.5, 40)

"""The tables of the published families."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import pytest

from optuna_ofa.costs import layer_macs, layer_params
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import (
    Gene,
    SearchSpace,
    Stem,
    families,
    get_family,
    make_divisible,
    mobilenet_v3_small_images,
    subnet_layers,
)

FAMILIES = [family.name for family in families()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(16, 16), (19.2, 24), (28.8, 32), (41.6, 40), (7, 8), (1, 8), (18, 24), (166.4, 168)],
    ids=str,
)
def test_make_divisible(value: float, expected: int) -> None:
    assert make_divisible(value) == expected


@pytest.mark.parametrize(
    ("name", "stem", "stages", "head"),
    [
        ("ofa_mbv3_w1.0", (16, 16), (24, 40, 80, 112, 160), (960, 1280)),
        ("ofa_mbv3_w1.2", (24, 24), (32, 48, 96, 136, 192), (1152, 1536)),
        ("ofa_proxyless_w1.3", (40, 24), (32, 56, 104, 128, 248, 416), (0, 1664)),
    ],
)
def test_published_widths(
    name: str, stem: tuple[int, ...], stages: tuple[int, ...], head: tuple[int, ...]
) -> None:
    family = get_family(name)
    assert (family.stem.conv_channels[0], family.stem.out_channels[0]) == stem
    assert tuple(stage.out_channels[0] for stage in family.stages) == stages
    assert (family.head.final_expand_channels, family.head.feature_mix_channels) == head


def test_published_widths_of_resnet() -> None:
    family = get_family("ofa_resnet50")
    assert family.stem.conv_channels == (24, 24, 32)
    assert family.stem.out_channels == (40, 48, 64)
    assert [stage.out_channels for stage in family.stages] == [
        (168, 208, 256),
        (336, 408, 512),
        (664, 816, 1024),
        (1328, 1640, 2048),
    ]


@pytest.mark.parametrize(
    ("name", "n_blocks", "n_genes"),
    [
        ("ofa_mbv3_w1.0", 20, 1 + 5 + 20 + 20),
        ("ofa_mbv3_w1.2", 20, 1 + 5 + 20 + 20),
        ("ofa_proxyless_w1.3", 21, 1 + 5 + 21 + 21),
        ("ofa_resnet50", 18, 1 + 5 + 18 + 6),
    ],
)
def test_numbers_of_blocks_and_genes(name: str, n_blocks: int, n_genes: int) -> None:
    family = get_family(name)
    assert (family.n_blocks, len(family.genes)) == (n_blocks, n_genes)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("ofa_mbv3_w1.0", ["resolution", "stage1.depth"], "stage5.block4.expand"),
        ("ofa_proxyless_w1.3", ["resolution", "stage1.depth"], "stage6.block1.expand"),
        ("ofa_resnet50", ["resolution", "stem.depth"], "stage4.width"),
    ],
)
def test_names_of_genes(name: str, first: list[str], last: str) -> None:
    names = [gene.name for gene in get_family(name).genes]
    assert (names[:2], names[-1]) == (first, last)
    assert len(set(names)) == len(names)


def test_columns_are_grouped_by_kind() -> None:
    family = get_family("ofa_resnet50")
    assert family.columns("depth") == (1, 2, 3, 4, 5)
    assert family.columns("kernel") == ()
    assert family.columns("expand") == tuple(range(6, 24))
    assert family.columns("width") == tuple(range(24, 30))


def test_blocks_know_their_stage_and_position() -> None:
    family = get_family("ofa_resnet50")
    gene = next(gene for gene in family.genes if gene.name == "stage3.block6.expand")
    assert (gene.stage, gene.position, gene.block) == (2, 5, 4 + 4 + 5)
    assert family.block_positions[gene.block] == (gene.stage, gene.position)


@pytest.mark.parametrize("ratio", [0.2, 0.25, 0.35])
def test_ratios_survive_as_integers(ratio: float) -> None:
    gene = Gene("e", "expand", (20, 25, 35), scale=0.01)
    assert gene.value(gene.integer(ratio)) == ratio
    assert get_family("ofa_resnet50").expand_ratio(gene.integer(ratio)) == ratio


@pytest.mark.parametrize("family", families(), ids=FAMILIES)
def test_found_by_every_name(family: object) -> None:
    names = (family.name, *family.aliases)  # type: ignore[attr-defined]
    assert [get_family(name) for name in names] == [family] * len(names)


def test_text_is_short() -> None:
    assert repr(get_family("ofa_mbv3_w1.0")) == "<Family ofa_mbv3_w1.0>"


def test_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"one of ofa_mbv3_w1\.0, .* but got 'vgg'"):
        get_family("vgg")


def test_ratios_finer_than_a_percent_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`expands` must be whole percents.*0\.125"):
        replace(get_family("ofa_resnet50"), expands=(0.125, 0.25))


@pytest.mark.parametrize("name", FAMILIES)
def test_equal_after_pickling(name: str) -> None:
    family = get_family(name)
    copy = pickle.loads(pickle.dumps(family))
    assert copy == family
    assert hash(copy) == hash(family)


def test_a_family_without_elastic_depth_can_be_searched() -> None:
    family = get_family("ofa_mbv3_w1.0")
    stages = tuple(replace(stage, depths=(2,)) for stage in family.stages)
    space = SearchSpace(replace(family, name="flat", stages=stages), resolution=224)
    assert space.n_subnets == 9**10
    assert space.from_matrix(space.sample(3, seed=0))[0].depth == (2, 2, 2, 2, 2)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("ofa_mbv3_w1.0", {"width_mults": (0.8, 1.0)}, "`width_mults` must be one"),
        ("ofa_resnet50", {"width_mults": (1.0,)}, "`stem.conv_channels` must be 1 ascending"),
        ("resnet20_cifar10", {"width_mults": (0.8, 1.0)}, "`width_mults` must be one for basic"),
        (
            "ofa_resnet50",
            {"stem": Stem((24, 24, 32), (40, 48, 64), act="relu")},
            "`stem.depths` must be two",
        ),
    ],
    ids=[
        "elastic-mbconv-width",
        "fixed-width-of-elastic-channels",
        "elastic-basic-width",
        "fixed-stem-depth",
    ],
)
def test_table_without_a_network_is_refused(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        replace(get_family(name), **changes)


def test_the_small_family_is_found_but_not_listed_as_published() -> None:
    family = get_family("ofa_mbv3_fashion")
    assert (family.in_channels, family.head.n_classes, family.resolutions[-1]) == (1, 10, 28)
    assert family not in families()


def test_costs_of_the_small_family_are_as_documented() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    layers = [subnet_layers(subnet) for subnet in (space.smallest(), space.largest())]
    macs = [sum(map(layer_macs, one)) for one in layers]
    params = [sum(map(layer_params, one)) for one in layers]
    assert [round(n / 1e6, 1) for n in macs] == [2.4, 23.7]
    assert [round(n / 1e6, 2) for n in params] == [0.13, 0.56]


def test_options_of_the_small_family() -> None:
    family = mobilenet_v3_small_images(
        "own", width=0.5, n_classes=7, in_channels=4, resolutions=(64, 32)
    )
    assert [stage.out_channels[0] for stage in family.stages] == [16, 16, 24]
    assert (family.resolutions, family.head.n_classes, family.in_channels) == ((32, 64), 7, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "`width` must be a positive, finite number, but got 0"),
        ({"n_classes": -1}, "`n_classes` must be an integer of 1 or more, but got -1"),
        ({"resolutions": (2, 28)}, r"`resolutions\[0\]` must be an integer of 4 or more"),
        ({"resolutions": ()}, "`resolutions` must be a sequence of 1 or more"),
    ],
    ids=["width", "classes", "too-small", "none"],
)
def test_a_small_family_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        mobilenet_v3_small_images("own", **changes)


def test_a_pickled_family_has_only_its_table() -> None:
    family = get_family("efficientnet_lite0")
    new = copy.copy(family)
    assert new.genes
    assert new.fingerprint
    assert len(pickle.dumps(new)) == len(pickle.dumps(copy.copy(family)))
    assert pickle.loads(pickle.dumps(new)) == family

"""The rules of a family's table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import (
    Family,
    Head,
    SearchSpace,
    Stage,
    Stem,
    get_family,
    known_families,
    mobilenet_v3_small_images,
)

OWN = mobilenet_v3_small_images("own")
BOTTLENECK = replace(get_family("ofa_resnet50"), name="own")


def staged(family: Family, index: int, **changes: Any) -> dict[str, Any]:
    stages = list(family.stages)
    stages[index] = replace(stages[index], **changes)
    return {"stages": tuple(stages)}


def stem(**changes: Any) -> Stem:
    return replace(BOTTLENECK.stem, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": (3, 4)}, r"`kernels` must be odd, but got \(3, 4\)"),
        ({"kernels": (3, 3)}, r"`kernels` must be distinct, but got \(3, 3\)"),
        ({"kernels": (3, -5)}, r"`kernels\[1\]` must be an integer of 1 or more, but got -5"),
        ({"kernels": ()}, r"`kernels` must be a sequence of 1 or more entries"),
        ({"expands": (4, 4.0)}, r"`expands` must be distinct, but got \(4, 4\)"),
        ({"expands": (0, 4)}, r"`expands\[0\]` must be a positive, finite number, but got 0"),
        ({"expands": (1, 4)}, "`expands` must not mix 1"),
        ({"resolutions": (28, 28)}, r"`resolutions` must be distinct, but got \(28, 28\)"),
        ({"resolutions": (3, 28)}, r"`resolutions` must be 4 pixels or more"),
        ({"resolutions": (28, 40_000)}, r"`resolutions\[1\]` must be at most 8,192"),
        ({"in_channels": 10**400}, "`in_channels` must be at most 65,536, but got a huge"),
        ({"kernels": (3, 33)}, r"`kernels\[1\]` must be at most 31, but got 33"),
        ({"expands": (4, 100)}, r"`expands\[1\]` must be below 100, but got 100"),
        ({"resolutions": range(28, 2000)}, "`resolutions` must be a sequence of at most 1000"),
        (staged(OWN, 2, out_channels=(9000,)), "`stages` and `head` must have layers of at most"),
        ({"stages": OWN.stages * 90}, "`stages` must have at most 1000 blocks, but got 1080"),
        ({"bn_eps": 1.5}, "`bn_eps` must be below 1, but got 1.5"),
        ({"resolutions": (28.5,)}, r"`resolutions\[0\]` must be an integer"),
        ({"resolutions": 28}, "`resolutions` must be a sequence of 1 or more entries, but got 28"),
        ({"bn_eps": float("nan")}, "`bn_eps` must be a positive, finite number, but got nan"),
        ({"in_channels": True}, "`in_channels` must be an integer of 1 or more, but got True"),
        ({"block": "dense"}, "`block` must be one of mbconv, bottleneck, basic, but got 'dense'"),
        ({"block": "bottleneck"}, "`block` must be 'mbconv' for MobileNetV3"),
        ({"architecture": "VGG"}, "`architecture` must be one of MobileNetV3, .* but got 'VGG'"),
        ({"stages": ()}, "`stages` must be a sequence of 1 or more entries"),
        ({"stages": ("a",)}, r"`stages\[0\]` must be a `Stage`, but got 'a'"),
        ({"head": None}, "`head` must be a `Head`, but got None"),
        ({"head": Head(0, 0, "relu")}, "`head.feature_mix_channels` must be positive"),
        ({"stem": Stem((16,), (8, 16), act="relu")}, r"`stem.out_channels` must be 1 ascending"),
        ({"stem": Stem((16,), (16,), "relu", depths=(0, 2))}, "`stem.depths` must be empty"),
        (staged(OWN, 0, out_channels=(8, 16)), r"`stages\[0\].out_channels` must be 1 ascending"),
        (staged(OWN, 0, depths=(0, 2)), r"`stages\[0\].depths` must be 1 .* stride 2 and makes"),
        (staged(OWN, 2, depths=(0, 2)), r"stride 1 and makes 32 channels 48, but got \(0, 2\)"),
        ({"divisor": 0}, "`divisor` must be an integer of 1 or more, but got 0"),
        (staged(OWN, 1, mid_channels=(9,) * 4), r"`stages\[0\].mid_channels` must be given"),
        (
            {"stages": tuple(replace(s, mid_channels=(48,) * 4) for s in OWN.stages)},
            r"`expands` must be shares up to 1 where `stages\[0\].mid_channels`",
        ),
        (
            {"stem": replace(OWN.stem, kernel=7, n_convs=1)},
            "`stem` must have the defaults of `kernel`, `n_convs` and `pool` .* 7, 1 and True",
        ),
        ({"padding": "valid"}, "`padding` must be one of half, same, but got 'valid'"),
        ({"padding": None}, "`padding` must be one of half, same, but got None"),
        ({"squeeze": "output"}, "`squeeze` must be one of expanded, input, but got 'output'"),
        (
            staged(OWN, 1, kernel=9),
            r"`stages\[1\].kernel` must be one of `kernels`, \(3, 5, 7\), or None, but got 9",
        ),
        (staged(OWN, 1, kernel=4), r"`stages\[1\].kernel` must be one of `kernels`"),
        (
            {
                "expands": (0.5, 1),
                "stages": tuple(
                    replace(s, mid_channels=(40, 64, 64, 48 if i == 2 else 64))
                    for i, s in enumerate(OWN.stages)
                ),
            },
            r"`stages\[2\].mid_channels` must differ from the channels at the input .*, 64, 48",
        ),
        (
            {"head": Head(0, 64, "relu", mix_bias=True)},
            "`head.mix_bias` must be False where there are no `final_expand_channels`",
        ),
        ({"name": ""}, "`name` must be a string of one line, .* but got ''"),
        ({"name": "a\nb"}, "`name` must be a string of one line"),
        ({"name": "x" * 200}, "`name` must be a string of one line, at most 128 characters"),
        ({"name": "ofa_mbv3_w1.2"}, "`name` must not be that .* but got 'ofa_mbv3_w1.2'"),
        ({"name": "ofa_resnet50d"}, "`name` must not be that .* but got 'ofa_resnet50d'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ",".join(value),
)
def test_table_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        replace(OWN, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": (3, 5)}, r"`kernels` must be \(3,\) for bottleneck blocks"),
        ({"width_mults": (1.0, 0.8, 0.65)}, None),
        ({"head": Head(0, 64, "relu")}, "`head` must have 0 `final_expand_channels`"),
        (staged(BOTTLENECK, 1, base_depth=0), r"`stages\[1\].depths` must be at least one block"),
        (staged(BOTTLENECK, 1, use_se=True), r"`stages\[1\].use_se` must be False"),
        (staged(BOTTLENECK, 1, out_channels=(32, 16, 8)), "must be 3 ascending numbers"),
        ({"padding": "same"}, "`padding` must be 'half' for bottleneck blocks, but got 'same'"),
        (staged(BOTTLENECK, 1, kernel=5), r"`stages\[1\].kernel` must be None or 3"),
        ({"shortcut": "zeros"}, "`shortcut` must be one of avg_pool, conv, pad, but got 'zeros'"),
        ({"shortcut": "pad"}, "`shortcut` must not be 'pad' with several `width_mults`"),
        ({"stem": stem(depths=())}, "`stem.depths` must be two for bottleneck blocks"),
        ({"stem": stem(n_convs=1)}, "`stem.depths` must be empty with one convolution"),
        (
            {"stem": stem(n_convs=1, depths=())},
            r"`stem.conv_channels` must be `stem.out_channels` with one .* \(24, 24, 32\)",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_rules_of_bottleneck_families(changes: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert replace(BOTTLENECK, **changes).width_mults == (0.65, 0.8, 1)
        return
    with pytest.raises(InvalidArgumentError, match=message):
        replace(BOTTLENECK, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_channels": (0,)}, r"`out_channels\[0\]` must be an integer of 1 or more, but got 0"),
        ({"stride": 0}, "`stride` must be an integer of 1 or more, but got 0"),
        ({"stride": 9}, "`stride` must be at most 8, but got 9"),
        ({"out_channels": (10**5,)}, r"`out_channels\[0\]` must be at most 65,536"),
        ({"act": "gelu"}, "`act` must be one of relu, relu6, h_swish, silu, but got 'gelu'"),
        ({"use_se": 1}, "`use_se` must be True or False, but got 1"),
        ({"depths": (2, 2)}, r"`depths` must be distinct, but got \(2, 2\)"),
        ({"depths": (0,)}, "`depths` must have one above 0"),
        ({"base_depth": 99}, "100 at most with `base_depth`, but got"),
        ({"base_depth": -1}, "`base_depth` must be an integer of 0 or more, but got -1"),
        ({"kernel": 0}, "`kernel` must be an integer of 1 or more, but got 0"),
        ({"kernel": "5"}, "`kernel` must be an integer of 1 or more, but got '5'"),
        ({"mid_channels": (48, 64)}, r"`mid_channels` must be one number for each of 4 blocks"),
        ({"mid_channels": (48, 64, 0, 9)}, r"`mid_channels\[2\]` must be an integer of 1 or more"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_stage_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        replace(OWN.stages[0], **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": 4}, "`kernel` must be odd, but got 4"),
        ({"kernel": 33}, "`kernel` must be at most 31, but got 33"),
        ({"n_convs": 2}, "`n_convs` must be 1 or 3, but got 2"),
        ({"pool": 1}, "`pool` must be True or False, but got 1"),
        ({"block_use_se": None}, "`block_use_se` must be True or False, but got None"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_stem_that_breaks_a_rule_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Stem((16,), (16,), "relu", **changes)


def test_channels_of_a_padded_shortcut_do_not_fall() -> None:
    family = get_family("resnet20_cifar10")
    with pytest.raises(InvalidArgumentError, match=r"`stages\[1\].out_channels` must be no less"):
        replace(family, name="own", **staged(family, 1, out_channels=(8,)))


def test_a_stage_without_blocks_is_a_network_where_the_shapes_allow_it() -> None:
    stages = (*OWN.stages[:2], Stage((32,), 1, "relu", depths=(0, 1)))
    space = SearchSpace(replace(OWN, stages=stages))
    assert space.smallest().depth == (2, 2, 0)


def test_choices_are_sorted_and_numbers_are_pythons() -> None:
    family = replace(OWN, kernels=[7, np.int64(3)], expands=[6.0, 3])
    assert (family.kernels, family.expands) == ((3, 7), (3, 6))
    assert {type(kernel) for kernel in (*family.kernels, *family.expands)} == {int}


def test_published_names_stand_for_one_table() -> None:
    for family in known_families():
        assert replace(family) == family
        with pytest.raises(InvalidArgumentError, match="`name` must not be that of"):
            replace(family, bn_eps=0.1)
    with pytest.raises(InvalidArgumentError, match="`name` must not be that of"):
        mobilenet_v3_small_images("ofa_mbv3_fashion")
    assert replace(get_family("ofa_resnet50"), name="own", bn_eps=0.1).aliases == ()

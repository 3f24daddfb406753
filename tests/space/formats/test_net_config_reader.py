"""From a config to layers and to a subnet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import (
    SearchSpace,
    Subnet,
    families,
    get_family,
    layers_from_net_config,
    mobilenet_v3_small_images,
    net_config,
    read_net_config,
    read_specialized,
    subnet_from_net_config,
    subnet_layers,
)

FAMILIES = [
    *(family.name for family in families()),
    "resnet50",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


def random_subnets(family: str, n: int = 50) -> list[Subnet]:
    space = SearchSpace(family, resolution=[128, 188, 209, 224, 260])
    return space.from_matrix(space.sample(n, seed=2))


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_of_a_config_are_those_of_the_subnet(family: str) -> None:
    for subnet in random_subnets(family):
        layers = layers_from_net_config(net_config(subnet), subnet.resolution)
        # a config has the actual ratio in place of a share
        expected = [replace(layer, expand=layer.ratio) for layer in subnet_layers(subnet)]
        assert list(layers) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_subnet_of_a_config(family: str) -> None:
    for subnet in random_subnets(family):
        found = subnet_from_net_config(net_config(subnet), subnet.resolution)
        if subnet.width:  # index 1 of the stem's middle gives the same channels as 0
            subnet = replace(subnet, width=(subnet.width[0] // 2 * 2, *subnet.width[1:]))
        assert found == subnet


def test_missing_mid_channels_follow_from_the_ratio() -> None:
    config = net_config(SearchSpace("ofa_mbv3_w1.0").smallest())
    expected = layers_from_net_config(config, 224)
    for block in config["blocks"]:
        block["conv"]["mid_channels"] = None
    assert layers_from_net_config(config, 224) == expected


def test_mid_channels_of_a_bottleneck_are_rounded_to_eight() -> None:
    config = net_config(SearchSpace("ofa_resnet50").smallest())
    expected = layers_from_net_config(config, 224)
    for block in config["blocks"]:
        block["mid_channels"] = None
    assert layers_from_net_config(config, 224) == expected


def test_plain_resnet_has_one_convolution_as_stem() -> None:
    config = read_net_config(net_config(SearchSpace("ofa_resnet50").smallest()))
    out_channels = config["input_stem"][-1]["out_channels"]
    conv = config["input_stem"][0] | {"out_channels": out_channels, "kernel_size": 7}
    layers = layers_from_net_config(config | {"input_stem": [conv]}, 224)
    assert [(layer.role, layer.kernel, layer.out_size) for layer in layers[:2]] == [
        ("stem", 7, 112),
        ("pool", 3, 56),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_pooling": 1}, "true or false as max_pooling, but got 1"),
        ({"downsample_mode": "zeros"}, "downsample_mode among avgpool_conv, conv, pad, .*'zeros'"),
        ({"downsample_mode": 7}, "`downsample_mode` of ResNetBasicBlock must be text, but is 7"),
    ],
    ids=["pooling", "unknown-shortcut", "no-text"],
)
def test_parts_of_a_resnet_that_are_unknown_are_refused(
    change: dict[str, Any], message: str
) -> None:
    config = net_config(SearchSpace("resnet20_cifar10").smallest())
    (config if "max_pooling" in change else config["blocks"][1]).update(change)
    with pytest.raises(FormatError, match=f"`config` must .*{message}"):
        layers_from_net_config(config, 32)


def test_a_network_without_feature_mix_layer() -> None:
    config = net_config(SearchSpace("ofa_proxyless_w1.3").smallest())
    config["feature_mix_layer"] = None
    config["classifier"]["in_features"] = 416
    layers = layers_from_net_config(config, 224)
    assert [layer.role for layer in layers[-3:]] == ["block", "pool", "classifier"]
    assert [layer.in_channels for layer in layers[-2:]] == [416, 416]


def test_a_new_classifier_makes_no_difference() -> None:
    subnet = SearchSpace("ofa_mbv3_w1.2").smallest()
    config = net_config(subnet)
    config["classifier"]["out_features"] = 10
    assert subnet_from_net_config(config, subnet.resolution) == subnet


def test_a_family_of_ones_own() -> None:
    own = replace(get_family("ofa_mbv3_w1.0"), name="own", kernels=(3, 9))
    subnet = SearchSpace(own).largest()
    assert subnet_from_net_config(net_config(subnet), subnet.resolution, own) == subnet


def test_stages_that_begin_with_a_shortcut_or_have_no_block() -> None:
    own = mobilenet_v3_small_images("own", width=0.5)
    first = replace(own.stages[0], out_channels=own.stem.out_channels, stride=1, depths=(0, 1))
    last = replace(own.stages[2], out_channels=own.stages[1].out_channels)
    space = SearchSpace(replace(own, stages=(first, own.stages[1], last)))
    for subnet in space.from_matrix(space.sample(20, seed=0)):
        found = subnet_from_net_config(net_config(subnet), subnet.resolution, space.family)
        assert net_config(found) == net_config(subnet)


def changed(block: int, **changes: Any) -> dict[str, Any]:
    config = net_config(SearchSpace("ofa_mbv3_w1.0").largest())
    config["blocks"][block]["conv"] |= changes
    return config


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (changed(2, use_se=True), r"w1\.0: layer 3 \(block\) has use_se True, not False"),
        (changed(2, kernel_size=9), r"w1\.0: `kernel\[1\]` must be one of .* but got 9"),
        (changed(1, mid_channels=99), r"w1\.0: layer 2 \(block\) has mid_channels 99, not 96"),
        (changed(1, mid_channels=99), r"w1\.2: layer 0 \(stem\) has out_channels 16, not 24"),
    ],
    ids=["squeeze-excite", "kernel", "mid channels", "other family"],
)
def test_what_differs_from_a_family_is_said(config: dict[str, Any], match: str) -> None:
    with pytest.raises(FamilyMismatchError, match=match):
        subnet_from_net_config(config, 224)


def test_the_size_is_that_of_the_run_config_beside_the_file(tmp_path: Path) -> None:
    config = net_config(SearchSpace("ofa_mbv3_w1.0").smallest())
    (tmp_path / "net.config").write_text(json.dumps(config), encoding="utf-8")
    for place in (tmp_path, tmp_path / "net.config"):
        assert subnet_from_net_config(place, 192).resolution == 192
        with pytest.raises(FormatError, match=r"run\.config does not exist"):
            subnet_from_net_config(place)
    (tmp_path / "run.config").write_text('{"image_size": 220}', encoding="utf-8")
    assert subnet_from_net_config(tmp_path / "net.config").resolution == 220
    with pytest.raises(InvalidArgumentError, match="`resolution` must be a number of pixels"):
        layers_from_net_config(config)


@pytest.mark.parametrize(
    "change",
    [
        {"stride": "2"},
        {"stride": 0},
        {"stride": True},
        {"kernel_size": None},
        {"kernel_size": 3000},
        {"expand_ratio": None},
        {"expand_ratio": -6},
        {"in_channels": 17},
        {"in_channels": 2**31},
        {"out_channels": -24},
        {"mid_channels": [72]},
        {"mid_channels": 72_000},
        {"act_func": 3},
        {"use_se": 1},
    ],
    ids=str,
)
def test_layers_that_are_not_whole_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="`config` must "):
        subnet_from_net_config(changed(2, **{"mid_channels": None, **change}), 224)


def test_stage_missing() -> None:
    config = net_config(SearchSpace("ofa_mbv3_w1.0").largest())
    config["blocks"] = config["blocks"][:9]
    config["final_expand_layer"]["in_channels"] = 40
    with pytest.raises(FamilyMismatchError, match="it has 2 stages, not 5"):
        subnet_from_net_config(config, 224)


def test_resnet_of_another_width() -> None:
    config = net_config(SearchSpace("ofa_resnet50").smallest())
    for stem in (config["input_stem"][0], config["input_stem"][-1]):
        stem["out_channels"] = 72
    config["input_stem"][-1]["in_channels"] = config["blocks"][0]["in_channels"] = 72
    with pytest.raises(FamilyMismatchError, match=r"has 72 channels, not one of \(24, 24, 32\)"):
        subnet_from_net_config(config, 224)


@pytest.mark.parametrize(
    ("layer", "change", "match"),
    [
        ("first_conv", {"groups": 3}, "plain convolutions only"),
        ("first_conv", {"dilation": 2}, "plain convolutions only"),
        ("block", {"groups": 2}, "depthwise convolutions in blocks"),
    ],
    ids=["groups", "dilation", "block groups"],
)
def test_layers_that_no_cost_knows_are_refused(
    layer: str, change: dict[str, Any], match: str
) -> None:
    config = changed(1, **change) if layer == "block" else changed(1)
    if layer != "block":
        config[layer] |= change
    with pytest.raises(FormatError, match=match):
        layers_from_net_config(config, 224)


def test_grouped_bottlenecks_are_refused() -> None:
    config = net_config(SearchSpace("ofa_resnet50").smallest())
    config["blocks"][0]["groups"] = 32
    with pytest.raises(FormatError, match="bottlenecks without groups"):
        layers_from_net_config(config, 224)


@pytest.mark.parametrize(
    ("folder", "family", "resolution", "depth"),
    [
        ("1080ti_gpu64-27ms_top1-76.4_finetune-25", "ofa_proxyless_w1.3", 188, (2, 4, 3, 3, 4, 1)),
        ("flops-595M_top1-80.0_finetune-75", "ofa_mbv3_w1.2", 236, (3, 4, 4, 4, 4)),
        ("note10_lat-11ms_top1-73.6_finetune-25", "ofa_mbv3_w1.0", 176, (2, 2, 2, 3, 3)),
        ("note10_lat-64ms_top1-80.2_finetune-75", "ofa_mbv3_w1.2", 260, (3, 4, 4, 4, 4)),
    ],
    ids=lambda value: value.split("_")[0] if isinstance(value, str) else "",
)
def test_released_subnets(
    shared_data: Path, folder: str, family: str, resolution: int, depth: tuple[int, ...]
) -> None:
    path = shared_data / "specialized" / folder
    subnet = subnet_from_net_config(path)
    assert (subnet.family.name, subnet.resolution, subnet.depth) == (family, resolution, depth)
    assert layers_from_net_config(path) == subnet_layers(subnet)
    assert subnet_from_net_config(*read_specialized(path)) == subnet


def test_all_ten_released_subnets_belong_to_a_family(shared_data: Path) -> None:
    folders = sorted((shared_data / "specialized").iterdir())
    found = [subnet_from_net_config(folder).family.name for folder in folders]
    assert (
        sorted(found) == ["ofa_mbv3_w1.0"] * 2 + ["ofa_mbv3_w1.2"] * 4 + ["ofa_proxyless_w1.3"] * 4
    )


@pytest.mark.parametrize(
    ("name", "n_blocks", "last"), [("cpu", 20, 360), ("gpu", 14, 432), ("mobile", 20, 320)]
)
def test_proxylessnas_networks_without_their_zero_blocks(
    shared_data: Path, name: str, n_blocks: int, last: int
) -> None:
    path = shared_data / "proxylessnas" / f"proxyless_{name}.config"
    blocks = [layer for layer in layers_from_net_config(path, 224) if layer.role == "block"]
    assert (len(blocks), blocks[-1].out_channels, blocks[-1].out_size) == (n_blocks, last, 7)


def test_a_network_of_no_family_is_refused(shared_data: Path) -> None:
    path = shared_data / "proxylessnas" / "proxyless_cpu.config"
    with pytest.raises(FamilyMismatchError, match=r"layer 6 \(block\) has out_channels 48, not 56"):
        subnet_from_net_config(path, 224)

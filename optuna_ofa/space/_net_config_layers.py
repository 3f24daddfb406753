"""The layers of any ``net.config``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, Literal

from optuna_ofa._errors import FormatError
from optuna_ofa.space._family import make_divisible
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._net_config import Config
from optuna_ofa.space._net_config_files import read_net_config
from optuna_ofa.space._slots import strided

ConfigSource = Mapping[str, Any] | str | PathLike[str]


def layers_from_net_config(config: ConfigSource, resolution: int) -> tuple[Layer, ...]:
    """The layers of a network, of a published family or not; zero blocks are left out.

    Args:
        config: A config or the path of its file, with new or old names.
        resolution: Input size in pixels.

    Raises:
        FormatError: If the config is not one that `read_net_config` knows, or has grouped or
            dilated convolutions.
    """
    config = read_net_config(config)
    walk = _resnet if config["name"] == "ResNets" else _mobile_net
    return tuple(walk(config, resolution))


def _mobile_net(config: Config, size: int) -> Iterator[Layer]:
    stem = _conv("stem", config["first_conv"], size)
    yield stem
    size = stem.out_size
    for block in config["blocks"]:
        if block["conv"] is None or block["conv"]["name"] == "ZeroLayer":
            continue
        layer = _mbconv(block, size)
        yield layer
        size = layer.out_size
    expand, mix = config.get("final_expand_layer"), config["feature_mix_layer"]
    head = config["classifier"]["in_features"]
    if expand is not None:
        yield _conv("final_expand", expand, size)
        yield Layer("pool", "avg_pool", expand["out_channels"], expand["out_channels"], size, 1)
        yield _conv("feature_mix", mix, 1)
    else:
        if mix is not None:
            yield _conv("feature_mix", mix, size)
        yield Layer("pool", "avg_pool", head, head, size, 1)
    yield Layer("classifier", "linear", head, config["classifier"]["out_features"], 1, 1)


def _resnet(config: Config, size: int) -> Iterator[Layer]:
    stem = config["input_stem"]
    for i, conv in enumerate(stem):
        if conv["name"] == "ResidualBlock":
            layer = _conv("stem_skip", conv["conv"], size, shortcut=True)
        else:
            layer = _conv("stem" if i == 0 else "stem_out", conv, size)
        yield layer
        size = layer.out_size
    channels, out = stem[-1]["out_channels"], strided(size, 2)
    yield Layer("pool", "max_pool", channels, channels, size, out, kernel=3, stride=2)
    size = out
    for block in config["blocks"]:
        layer = _bottleneck(block, size)
        yield layer
        size = layer.out_size
    head = config["classifier"]["in_features"]
    yield Layer("pool", "avg_pool", head, head, size, 1)
    yield Layer("classifier", "linear", head, config["classifier"]["out_features"], 1, 1)


def _conv(role: str, conv: Config, size: int, shortcut: bool = False) -> Layer:
    if conv["groups"] != 1 or conv["dilation"] != 1 or conv["use_se"]:
        raise FormatError(f"`config` must have plain convolutions only, but got {conv}.")
    return Layer(
        role, "conv", conv["in_channels"], conv["out_channels"], size,
        strided(size, conv["stride"]), kernel=conv["kernel_size"], stride=conv["stride"],
        act=conv["act_func"] or "", shortcut=shortcut, use_bn=conv["use_bn"],
    )  # fmt: skip


def _mbconv(block: Config, size: int) -> Layer:
    conv, shortcut = block["conv"], block["shortcut"]
    mid = conv["mid_channels"] or round(conv["in_channels"] * conv["expand_ratio"])
    if conv["groups"] not in (None, mid):
        raise FormatError(f"`config` must have depthwise convolutions in blocks, but got {conv}.")
    return _block("mbconv", conv, size, mid, conv["use_se"],
                  shortcut is not None and shortcut["name"] == "IdentityLayer")  # fmt: skip


def _bottleneck(block: Config, size: int) -> Layer:
    if block["groups"] != 1:
        raise FormatError(f"`config` must have bottlenecks without groups, but got {block}.")
    mid = block["mid_channels"] or round(block["out_channels"] * block["expand_ratio"])
    shortcut = block["stride"] == 1 and block["in_channels"] == block["out_channels"]
    return _block("bottleneck", block, size, make_divisible(mid), False, shortcut)


def _block(
    kind: Literal["mbconv", "bottleneck"],
    conv: Config,
    size: int,
    mid: int,
    use_se: bool,
    shortcut: bool,
) -> Layer:
    return Layer(
        "block", kind, conv["in_channels"], conv["out_channels"], size,
        strided(size, conv["stride"]), mid, conv["kernel_size"], conv["stride"],
        conv["expand_ratio"], conv["act_func"], use_se, shortcut,
    )  # fmt: skip

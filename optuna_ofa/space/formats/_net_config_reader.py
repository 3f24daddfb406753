"""The layers of any ``net.config``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

from optuna_ofa._arguments import AnyPath, Positive, checked
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidSubnetError
from optuna_ofa.space._families import known_families
from optuna_ofa.space._family import Family
from optuna_ofa.space._find_family import find_family
from optuna_ofa.space._layer import Layer, LayerKind, require_layer
from optuna_ofa.space._parts import Stage, make_divisible
from optuna_ofa.space._slot import mid_channels, strided
from optuna_ofa.space._slots import subnet_layers
from optuna_ofa.space._subnet import Subnet
from optuna_ofa.space.formats._net_config import DOWNSAMPLE_MODES, Config
from optuna_ofa.space.formats._net_config_files import (
    ConfigSource,
    image_size,
    naming,
    read_net_config,
)


@checked
def layers_from_net_config(
    config: ConfigSource, resolution: Positive | None = None
) -> tuple[Layer, ...]:
    """Return the layers of a network, whether or not its family is published; no zero blocks.

    Args:
        config: A config, the path of its file or of the folder with it; old names are accepted.
        resolution: Input size in pixels; None reads it from the ``run.config`` beside the file.

    Raises:
        FormatError: If the config is not one that `read_net_config` knows, or has grouped or
            dilated convolutions, or no size is given and there is no ``run.config``.
        InvalidArgumentError: If ``resolution`` is None and the config is not a file.
    """
    source, config = config, read_net_config(config)
    resolution = image_size(source) if resolution is None else resolution
    with naming(source):
        return _layers(config, resolution)


def _layers(config: Config, resolution: int) -> tuple[Layer, ...]:
    walk = _resnet if config["name"] == "ResNets" else _mobile_net
    try:
        layers = tuple(walk(config, resolution))
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise FormatError(
            f"`config` must be a net.config whose layers are whole, but reading them gave "
            f"{error!r:.300}."
        ) from error
    for layer in layers:
        require_layer(layer)
    for before, after in itertools.pairwise(layers):
        if before.out_channels != after.in_channels:
            raise FormatError(
                f"`config` must have layers that fit together, but a {before.role} has "
                f"{before.out_channels} channels, and the {after.role} after it takes "
                f"{after.in_channels}."
            )
    return layers


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
    if config.get("max_pooling", True):
        channels, out = stem[-1]["out_channels"], strided(size, 2)
        yield Layer("pool", "max_pool", channels, channels, size, out, kernel=3, stride=2)
        size = out
    for block in config["blocks"]:
        layer = _resnet_block(block, size)
        yield layer
        size = layer.out_size
    head = config["classifier"]["in_features"]
    yield Layer("pool", "avg_pool", head, head, size, 1)
    yield Layer("classifier", "linear", head, config["classifier"]["out_features"], 1, 1)


def _conv(role: str, conv: Config, size: int, shortcut: bool = False) -> Layer:
    if conv["groups"] != 1 or conv["dilation"] != 1 or conv["use_se"]:
        raise FormatError(f"`config` must have plain convolutions only, but got {conv}.")
    return Layer(
        role,
        "conv",
        conv["in_channels"],
        conv["out_channels"],
        size,
        strided(size, conv["stride"]),
        kernel=conv["kernel_size"],
        stride=conv["stride"],
        act=conv["act_func"] or "",
        shortcut=shortcut,
        use_bn=conv["use_bn"],
        padding=conv.get("padding", "half"),
        bias=conv["bias"] and not conv["use_bn"],
    )


def _mbconv(block: Config, size: int) -> Layer:
    conv, shortcut = block["conv"], block["shortcut"]
    mid = conv["mid_channels"] or round(conv["in_channels"] * conv["expand_ratio"])
    if conv["groups"] not in (None, mid):
        raise FormatError(f"`config` must have depthwise convolutions in blocks, but got {conv}.")
    return _block(
        "mbconv",
        conv,
        size,
        mid,
        conv["use_se"],
        shortcut is not None and shortcut["name"] == "IdentityLayer",
    )


def _resnet_block(block: Config, size: int) -> Layer:
    if block.get("groups", 1) != 1:
        raise FormatError(f"`config` must have bottlenecks without groups, but got {block}.")
    kind: LayerKind = "basic" if block["name"] == "ResNetBasicBlock" else "bottleneck"
    mid = block["mid_channels"] or round(block["out_channels"] * block["expand_ratio"])
    mid = mid if kind == "basic" else make_divisible(mid)  # as the block of `ofa` does
    shortcut = block["stride"] == 1 and block["in_channels"] == block["out_channels"]
    modes = {mode: downsample for downsample, mode in DOWNSAMPLE_MODES.items()}
    downsample = modes.get(block["downsample_mode"])
    if downsample is None:
        raise FormatError(
            f"`config` must have a downsample_mode among {', '.join(modes)}, but got "
            f"{block['downsample_mode']!r:.100}."
        )
    layer = _block(kind, block, size, mid, False, shortcut)
    return layer if shortcut else replace(layer, downsample=downsample)


def _block(
    kind: LayerKind, conv: Config, size: int, mid: int, use_se: bool, shortcut: bool
) -> Layer:
    return Layer(
        "block",
        kind,
        conv["in_channels"],
        conv["out_channels"],
        size,
        strided(size, conv["stride"]),
        mid,
        conv["kernel_size"],
        conv["stride"],
        conv["expand_ratio"],
        conv["act_func"],
        use_se,
        shortcut,
        padding=conv.get("padding", "half"),
        squeeze=conv.get("squeeze", "expanded"),
    )


@checked
def subnet_from_net_config(
    config: ConfigSource, resolution: Positive | None = None, family: Family | AnyPath | None = None
) -> Subnet:
    """Return the subnet that a config describes. The number of classes may differ.

    Where two width multipliers give the same channels (0.65 and 0.8 in the middle of ResNet50D's
    stem), the config does not distinguish them, and the smaller one is taken.

    Args:
        config: A config, the path of its file or of the folder with it; old names are accepted.
        resolution: Input size in pixels; None reads it from the ``run.config`` beside the file.
        family: The family that the subnet belongs to; None tries all known ones.

    Raises:
        FormatError: If `layers_from_net_config` cannot read the config.
        InvalidArgumentError: If ``resolution`` is None and the config is not a file.
        FamilyMismatchError: If the network is not a subnet of any family; with the differences.
    """
    source, config = config, read_net_config(config)
    resolution = image_size(source) if resolution is None else resolution
    layers = layers_from_net_config(config, resolution)
    if family is not None:
        candidates = [find_family(family, "family")]
    else:
        candidates = [f for f in known_families() if f.architecture == config["name"]]
        candidates.sort(key=lambda found: found.bn_eps != config["bn"]["eps"])
    reasons = []
    for candidate in candidates:
        try:
            subnet = _subnet(candidate, layers, resolution)
        except (InvalidSubnetError, FamilyMismatchError) as error:
            reasons.append(f"{candidate.name}: {error}")
            continue
        difference = _difference(layers, subnet)
        if difference is None:
            return subnet
        reasons.append(f"{candidate.name}: {difference}")
    raise FamilyMismatchError(
        f"`config` must be of a subnet of {' or '.join(c.name for c in candidates)}, but it is "
        f"not. {' '.join(reasons)}"
    )


def _split(stages: Sequence[Stage], blocks: Sequence[Layer]) -> list[list[Layer]] | None:
    """Return the blocks of each stage, for stages of fixed widths; None if they do not fit."""
    if not stages:
        return None if blocks else []
    first, *others = stages
    for depth in first.depths:
        n = first.base_depth + depth
        run = list(blocks[:n])
        wanted = [
            (first.out_channels[0], first.stride if i == 0 else 1, first.act, first.use_se)
            for i in range(n)
        ]
        if [(b.out_channels, b.stride, b.act, b.use_se) for b in run] == wanted:
            rest = _split(others, blocks[n:])
            if rest is not None:
                return [run, *rest]
    return None


def _subnet(family: Family, layers: Sequence[Layer], resolution: int) -> Subnet:
    """Return the only subnet of a family that could have these layers."""
    blocks = [layer for layer in layers if layer.role == "block"]
    if family.block == "mbconv":
        blocks = blocks[1:]  # the fixed one
    stages: list[list[Layer]] = []
    for block in blocks:
        if not block.shortcut or not stages:
            stages.append([])
        stages[-1].append(block)
    if len(stages) != len(family.stages):  # some begin with a shortcut, or have no block
        stages = _split(family.stages, blocks) or stages
    if len(stages) != len(family.stages):
        raise FamilyMismatchError(f"it has {len(stages)} stages, not {len(family.stages)}.")
    depth = [len(run) - s.base_depth for run, s in zip(stages, family.stages, strict=True)]
    if family.stem.depths:
        skip = any(layer.role == "stem_skip" for layer in layers)
        depth.insert(0, max(family.stem.depths) if skip else min(family.stem.depths))
    kernel = _padded(family, stages, "kernel") if family.block == "mbconv" else ()
    return Subnet(
        family,
        resolution,
        tuple(depth),
        kernel,
        _shares(family, stages) if _has_shares(family) else _padded(family, stages, "expand"),
        _widths(family, layers, stages),
    )


def _has_shares(family: Family) -> bool:
    """Return whether a config has other expand ratios than the family's table."""
    return bool(family.stages[0].mid_channels)


def _shares(family: Family, stages: list[list[Layer]]) -> tuple[float, ...]:
    """Return the smallest share of each block that gives its middle channels, 0 without a block."""
    found = []
    for s, p in family.block_positions:
        block = stages[s][p] if p < len(stages[s]) else None
        of = {mid_channels(family, (s, p), 1, e): e for e in reversed(family.expands)}
        found.append(0 if block is None else of.get(block.mid_channels, block.expand))
    return tuple(found)


def _padded(family: Family, stages: list[list[Layer]], name: str) -> tuple[Any, ...]:
    return tuple(
        getattr(stages[s][p], name) if p < len(stages[s]) else 0 for s, p in family.block_positions
    )


def _widths(family: Family, layers: Sequence[Layer], stages: list[list[Layer]]) -> tuple[int, ...]:
    if len(family.width_mults) == 1:
        return ()
    max_pool = next(layer for layer in layers if layer.role == "pool")
    offered = [family.stem.conv_channels, family.stem.out_channels]
    offered += [stage.out_channels for stage in family.stages]
    actual = [layers[0].out_channels, max_pool.out_channels]
    actual += [run[0].out_channels for run in stages]
    for channels, choices in zip(actual, offered, strict=True):
        if channels not in choices:
            raise FamilyMismatchError(f"a layer has {channels} channels, not one of {choices}.")
    return tuple(choices.index(c) for c, choices in zip(actual, offered, strict=True))


def _difference(layers: Sequence[Layer], subnet: Subnet) -> str | None:
    """Return the first difference from a subnet; the classifier may differ."""
    expected = subnet_layers(subnet)
    for i, (layer, other) in enumerate(zip(layers[:-1], expected[:-1], strict=False)):
        for field in fields(Layer):
            if field.name == "expand" and _has_shares(subnet.family):
                continue
            value, wanted = getattr(layer, field.name), getattr(other, field.name)
            if value != wanted:
                return f"layer {i} ({layer.role}) has {field.name} {value!r}, not {wanted!r}."
    if len(layers) != len(expected):
        return f"it has {len(layers)} layers, not {len(expected)}."
    return None

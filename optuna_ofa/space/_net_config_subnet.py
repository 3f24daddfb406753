"""The subnet that a ``net.config`` describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from optuna_ofa._errors import FamilyMismatchError, InvalidSubnetError
from optuna_ofa.space._families import families, get_family
from optuna_ofa.space._family import Family
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._net_config_files import read_net_config
from optuna_ofa.space._net_config_layers import ConfigSource, layers_from_net_config
from optuna_ofa.space._slots import subnet_layers
from optuna_ofa.space._subnet import Subnet


def subnet_from_net_config(
    config: ConfigSource, resolution: int, family: Family | str | None = None
) -> Subnet:
    """The subnet that a config describes. The number of classes may differ.

    Where two width multipliers give the same channels (0.65 and 0.8 in the middle of ResNet50D's
    stem), the config cannot tell them apart, and the smaller one is taken.

    Args:
        config: A config or the path of its file, with new or old names.
        resolution: Input size in pixels, which the config does not tell.
        family: The family to look in; None tries all published ones.

    Raises:
        FormatError: If `layers_from_net_config` cannot read the config.
        FamilyMismatchError: If the network is no subnet of a family; with what differs.
    """
    config = read_net_config(config)
    layers = layers_from_net_config(config, resolution)
    if family is not None:
        candidates = [get_family(family) if isinstance(family, str) else family]
    else:
        candidates = [f for f in families() if f.architecture == config["name"]]
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


def _subnet(family: Family, layers: Sequence[Layer], resolution: int) -> Subnet:
    """The only subnet of a family that could have these layers."""
    blocks = [layer for layer in layers if layer.role == "block"]
    if family.block == "mbconv":
        blocks = blocks[1:]  # the fixed one
    stages: list[list[Layer]] = []
    for block in blocks:
        if not block.shortcut or not stages:
            stages.append([])
        stages[-1].append(block)
    if len(stages) != len(family.stages):
        raise FamilyMismatchError(f"it has {len(stages)} stages, not {len(family.stages)}.")
    depth = [len(run) - s.base_depth for run, s in zip(stages, family.stages, strict=True)]
    if family.stem.depths:
        skip = any(layer.role == "stem_skip" for layer in layers)
        depth.insert(0, max(family.stem.depths) if skip else min(family.stem.depths))
    kernel = _padded(family, stages, "kernel") if family.block == "mbconv" else ()
    return Subnet(family, resolution, tuple(depth), kernel, _padded(family, stages, "expand"),
                  _widths(family, layers, stages))  # fmt: skip


def _padded(family: Family, stages: list[list[Layer]], name: str) -> tuple[Any, ...]:
    return tuple(
        getattr(stages[s][p], name) if p < len(stages[s]) else 0 for s, p in family.block_positions
    )


def _widths(
    family: Family, layers: Sequence[Layer], stages: list[list[Layer]]
) -> tuple[int, ...]:
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
    """The first difference from a subnet; the classifier may be a new one."""
    expected = subnet_layers(subnet)
    for i, (layer, other) in enumerate(zip(layers[:-1], expected[:-1], strict=False)):
        for field in fields(Layer):
            value, wanted = getattr(layer, field.name), getattr(other, field.name)
            if value != wanted:
                return f"layer {i} ({layer.role}) has {field.name} {value!r}, not {wanted!r}."
    if len(layers) != len(expected):
        return f"it has {len(layers)} layers, not {len(expected)}."
    return None

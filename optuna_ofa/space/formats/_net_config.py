"""A subnet as the ``net.config`` from which the ``ofa`` package builds a network."""

from __future__ import annotations

from typing import Any

from optuna_ofa._arguments import checked
from optuna_ofa.space._layer import Downsample, Layer
from optuna_ofa.space._slots import subnet_layers
from optuna_ofa.space._subnet import Subnet

Config = dict[str, Any]
# names of `ofa` for the shortcuts of ResNets; it lacks the last one
DOWNSAMPLE_MODES: dict[Downsample, str] = {"avg_pool": "avgpool_conv", "conv": "conv", "pad": "pad"}


@checked
def net_config(subnet: Subnet) -> Config:
    """Return the subnet's ``net.config``, JSON-ready.

    Identical, key by key, to what ``get_active_net_config()`` of the ``ofa`` package returns for a
    supernet without dropout, except that the shortcut in a ResNet's stem is a config too, not a
    module. The resolution is not part of it. Families that ``ofa`` lacks are described likewise:
    basic blocks as ``ResNetBasicBlock``, a stem without pooling by ``"max_pooling": false``, and
    other padding or squeeze-and-excitation by ``"padding": "same"`` and ``"squeeze": "input"``.
    """
    family, layers = subnet.family, subnet_layers(subnet)
    blocks = [layer for layer in layers if layer.role == "block"]
    by_role = {layer.role: layer for layer in layers}
    config: Config = {
        "name": family.architecture,
        "bn": {"momentum": 0.1, "eps": family.bn_eps, "ws_eps": None},
    }
    if family.block != "mbconv":
        stem = [layer for layer in layers if layer.role.startswith("stem")]
        config["input_stem"] = [_stem_conv(layer) for layer in stem]
        config |= {} if family.stem.pool else {"max_pooling": False}
        config["blocks"] = [_resnet_block(layer, family.shortcut) for layer in blocks]
        return config | {"classifier": _elastic_linear(by_role["classifier"])}
    config["first_conv"] = _conv(by_role["stem"])
    config["blocks"] = [_fixed_mbconv(blocks[0]), *map(_mbconv, blocks[1:])]
    for role in ("final_expand", "feature_mix"):
        if role in by_role:
            config[f"{role}_layer"] = _conv(by_role[role])
    return config | {"classifier": _linear(by_role["classifier"])}


def _conv(layer: Layer) -> Config:
    return {
        "name": "ConvLayer",
        "kernel_size": layer.kernel,
        "stride": layer.stride,
        "dilation": 1,
        "groups": 1,
        "bias": layer.bias,
        "has_shuffle": False,
        "use_se": False,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "use_bn": layer.use_bn,
        "act_func": layer.act,
        "dropout_rate": 0,
        "ops_order": "weight_bn_act",
        **_unusual(layer),
    }


def _unusual(layer: Layer) -> Config:
    """Return the keys for what layers of ``ofa`` do not have."""
    padding = {"padding": layer.padding} if layer.padding != "half" else {}
    return padding | ({"squeeze": layer.squeeze} if layer.squeeze != "expanded" else {})


def _stem_conv(layer: Layer) -> Config:
    # `ofa` writes fewer keys for an elastic convolution than for a fixed one
    keys = (
        "name",
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "dilation",
        "use_bn",
        "act_func",
    )
    full = _conv(layer)
    conv = {key: full[key] for key in keys}
    return _residual(conv, layer) if layer.shortcut else conv


def _mbconv(layer: Layer) -> Config:
    # a ratio of 1 means that there is no expansion
    ratio = layer.expand if layer.ratio == 1 else layer.ratio
    own = {"use_se": layer.use_se, "expand_ratio": ratio} | _unusual(layer)
    return _residual(_block("MBConvLayer", layer) | own, layer)


def _fixed_mbconv(layer: Layer) -> Config:
    block = _mbconv(layer)
    block["conv"] |= {"mid_channels": None, "groups": None}
    return block


def _residual(conv: Config, layer: Layer) -> Config:
    identity = {
        "name": "IdentityLayer",
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "use_bn": False,
        "act_func": None,
        "dropout_rate": 0,
        "ops_order": "weight_bn_act",
    }
    shortcut = identity if layer.shortcut else None
    return {"name": "ResidualBlock", "conv": conv, "shortcut": shortcut}


def _resnet_block(layer: Layer, downsample: Downsample) -> Config:
    own = {"expand_ratio": layer.ratio, "downsample_mode": DOWNSAMPLE_MODES[downsample]}
    if layer.kind == "basic":
        return _block("ResNetBasicBlock", layer) | own
    return _block("ResNetBottleneckBlock", layer) | {"groups": 1} | own


def _block(name: str, layer: Layer) -> Config:
    """Return the part of a config that both kinds of elastic blocks have."""
    return {
        "name": name,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel_size": layer.kernel,
        "stride": layer.stride,
        "expand_ratio": layer.expand,
        "mid_channels": layer.mid_channels,
        "act_func": layer.act,
    }


def _elastic_linear(layer: Layer) -> Config:
    return {
        "name": "LinearLayer",
        "in_features": layer.in_channels,
        "out_features": layer.out_channels,
        "bias": True,
        "dropout_rate": 0,
    }


def _linear(layer: Layer) -> Config:
    fixed = {"use_bn": False, "act_func": None, "ops_order": "weight_bn_act"}
    return _elastic_linear(layer) | fixed

"""``net.config`` and ``run.config`` files, old ones translated to current names."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from optuna_ofa._arguments import checked
from optuna_ofa._files import read_json
from optuna_ofa._values import MAX_PIXELS, number, whole
from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.space._layer import MAX_CHANNELS, MAX_EXPAND, MAX_KERNEL, MAX_STRIDE
from optuna_ofa.space.formats._net_config import Config

ConfigSource = Mapping[str, Any] | str | PathLike[str]

NET_CONFIG, RUN_CONFIG = "net.config", "run.config"
_RENAMED = {"MobileInvertedResidualBlock": "ResidualBlock", "MBInvertedConvLayer": "MBConvLayer"}
_MY_2D_LAYER = {"dropout_rate": 0, "ops_order": "weight_bn_act"}
# defaults of the layers' constructors in ofa/utils/layers.py
_DEFAULTS: dict[str, Config] = {
    "ConvLayer": {
        "kernel_size": 3,
        "stride": 1,
        "dilation": 1,
        "groups": 1,
        "bias": False,
        "has_shuffle": False,
        "use_se": False,
        "use_bn": True,
        "act_func": "relu",
        **_MY_2D_LAYER,
    },
    "IdentityLayer": {"use_bn": False, "act_func": None, **_MY_2D_LAYER},
    "LinearLayer": {"bias": True, "use_bn": False, "act_func": None, **_MY_2D_LAYER},
    "MBConvLayer": {
        "kernel_size": 3,
        "stride": 1,
        "expand_ratio": 6,
        "mid_channels": None,
        "act_func": "relu6",
        "use_se": False,
        "groups": None,
    },
    "ResNetBottleneckBlock": {
        "kernel_size": 3,
        "stride": 1,
        "expand_ratio": 0.25,
        "mid_channels": None,
        "act_func": "relu",
        "groups": 1,
        "downsample_mode": "avgpool_conv",
    },
    # ours: `ofa` has no basic blocks
    "ResNetBasicBlock": {
        "kernel_size": 3,
        "stride": 1,
        "expand_ratio": 1,
        "mid_channels": None,
        "act_func": "relu",
        "downsample_mode": "conv",
    },
}
# what the entries of a layer may be: whole numbers and others, up to these, flags and words
_WHOLE = {
    **dict.fromkeys(("in_channels", "out_channels", "in_features", "groups"), MAX_CHANNELS),
    **dict.fromkeys(("mid_channels", "out_features"), MAX_EXPAND * MAX_CHANNELS),
    "kernel_size": MAX_KERNEL,
    "stride": MAX_STRIDE,
    "dilation": MAX_STRIDE,
}
_NUMBERS = {"expand_ratio": MAX_EXPAND, "dropout_rate": 1}
_FLAGS = ("bias", "has_shuffle", "use_se", "use_bn")
_WORDS = ("act_func", "ops_order", "downsample_mode")
_OPTIONAL = ("mid_channels", "groups", "act_func")
# the layers of each architecture, and the batch normalisation's epsilon where none is given
_ARCHITECTURES = {
    "MobileNetV3": (("first_conv", "final_expand_layer", "feature_mix_layer", "classifier"), 1e-5),
    "ProxylessNASNets": (("first_conv", "feature_mix_layer", "classifier"), 1e-3),
    **dict.fromkeys(
        ("MobileNetV2", "MnasNet", "EfficientNet"),
        (("first_conv", "feature_mix_layer", "classifier"), 1e-5),
    ),
    "ResNets": (("classifier",), 1e-5),
}


@checked
def read_net_config(config: ConfigSource) -> Config:
    """Read a ``net.config`` with current names and every key that ``ofa`` would fill in.

    Args:
        config: The config, the path of its file, or that of a folder with a ``net.config``, such
            as those of ``ofa_specialized``; a config passed as an object is not modified.

    Raises:
        FormatError: If there is no such file, or it is not the config of a network of one of the
            families' architectures.
    """
    with naming(config):
        return _normal(config if isinstance(config, Mapping) else _read_object(_file(Path(config))))


@contextlib.contextmanager
def naming(config: ConfigSource) -> Iterator[None]:
    """Make errors about a part of a config begin with the argument, and name its file."""
    try:
        yield
    except FormatError as error:
        text = str(error)
        if not text.startswith("`config`"):
            text = f"`config` must be a net.config of a network, but {text}"
        if not isinstance(config, Mapping) and str(config) not in text:
            text = f"{text.removesuffix('.')}, in {config}."
        raise FormatError(text) from error


def _normal(config: Mapping[str, Any]) -> Config:
    """Return a config with current names and all keys."""
    name = config.get("name")
    if not isinstance(name, str) or name not in _ARCHITECTURES:
        raise FormatError(
            f"`config` must be a net.config whose name is one of {', '.join(_ARCHITECTURES)}, "
            f"but got {name!r}."
        )
    single, eps = _ARCHITECTURES[name]
    several = ("input_stem", "blocks") if name == "ResNets" else ("blocks",)
    missing = [key for key in (*several, *single) if key not in config]
    if missing:
        raise FormatError(f"`config` must have all keys of {name}, but {missing} are missing.")
    normal: Config = {key: _layer(config[key]) for key in single}
    for key in several:
        if not isinstance(config[key], list):
            raise FormatError(f"`config` must have a list of {key}, but got {config[key]!r:.100}.")
        normal[key] = [_layer(layer) for layer in config[key]]
    bn = config.get("bn") or {}
    if not isinstance(bn, Mapping):
        raise FormatError(f"`config` must have an object as bn, but got {bn!r:.100}.")
    given = {"momentum": 0.1, "eps": eps, "ws_eps": None} | dict(bn)
    for key in ("momentum", "eps"):
        number(given[key], f"`{key}` of bn", least=0, most=1)
    if not isinstance(config.get("max_pooling", True), bool):
        raise FormatError(
            f"`config` must have true or false as max_pooling, but got "
            f"{config['max_pooling']!r:.100}."
        )
    return dict(config) | normal | {"bn": given}


def _file(path: Path) -> Path:
    """Return the file of a config, given by its path or that of its folder."""
    if not os.path.isdir(path):
        return path
    if not (path / NET_CONFIG).is_file():
        below = sorted(file.parent.name for file in path.glob(f"*/{NET_CONFIG}"))
        which = f"; name one of its folders that have, such as {below[0]!r}" if below else ""
        raise FormatError(
            f"`config` must be a {NET_CONFIG} or a folder with one, but {path} has none{which}."
        )
    return path / NET_CONFIG


def image_size(source: ConfigSource) -> int:
    """Return the image size in pixels from the ``run.config`` beside a ``net.config``.

    Args:
        source: As in `read_net_config`.

    Raises:
        InvalidArgumentError: If the config is not a file, so that nothing is beside it.
        FormatError: If there is no such file, or it has no image size.
    """
    if isinstance(source, Mapping):
        raise InvalidArgumentError(
            "`resolution` must be a number of pixels where the config is no file, but got None."
        )
    path = _file(Path(source)).with_name(RUN_CONFIG)
    size = _read_object(path).get("image_size")
    return whole(size, f"`image_size` of {path}", most=MAX_PIXELS)


def read_specialized(folder: str | PathLike[str]) -> tuple[Config, int]:
    """Read a released specialised subnet: its ``net.config`` and its image size in pixels.

    Args:
        folder: Holds ``net.config`` and ``run.config``.

    Raises:
        FormatError: If a file is missing or not what it should be.
    """
    return read_net_config(folder), image_size(folder)


def _read_object(path: Path) -> Mapping[str, Any]:
    data = read_json(path, "config")
    if not isinstance(data, Mapping):
        raise FormatError(
            f"`config` must hold a JSON object, but {path} holds {type(data).__name__}."
        )
    return data


def _layer(layer: Mapping[str, Any] | None) -> Config | None:
    """Return a layer or block with current names; None if there is no layer."""
    if layer is None:
        return None
    if not isinstance(layer, Mapping) or not isinstance(layer.get("name"), str):
        raise FormatError(f"`config` must have layers with names, but got {layer!r:.100}.")
    name = _RENAMED.get(layer["name"], layer["name"])
    if name == "ZeroLayer":  # the stride that old files give it has no meaning
        return {"name": name}
    if name == "ResidualBlock":
        conv = layer["conv"] if "conv" in layer else layer.get("mobile_inverted_conv")
        return {"name": name, "conv": _layer(conv), "shortcut": _layer(layer.get("shortcut"))}
    if name not in _DEFAULTS:
        known = ", ".join([*_DEFAULTS, "ResidualBlock", "ZeroLayer"])
        raise FormatError(f"`config` must have layers among {known}, but got {name!r}.")
    whole_layer = _DEFAULTS[name] | dict(layer) | {"name": name} | _channels(layer)
    for key, value in whole_layer.items():
        _require(key, value, name)
    return whole_layer


def _require(key: str, value: Any, name: str) -> None:
    """Refuse an entry of a layer that is not what its constructor takes."""
    where = f"`{key}` of {name}"
    if key in _OPTIONAL and value is None:
        return
    if key in _WHOLE:
        whole(value, where, most=_WHOLE[key])
    elif key in _NUMBERS:
        number(value, where, least=0, most=_NUMBERS[key])
    elif key in _FLAGS and not isinstance(value, bool):
        raise FormatError(f"{where} must be true or false, but is {value!r:.100}.")
    elif key in _WORDS and not isinstance(value, str):
        raise FormatError(f"{where} must be text, but is {value!r:.100}.")


def _channels(layer: Mapping[str, Any]) -> Config:
    """Return the channels; identity layers of released files have lists of one number."""
    keys = (
        ("in_features", "out_features")
        if "in_features" in layer
        else ("in_channels", "out_channels")
    )
    channels = {}
    for key in keys:
        value = layer.get(key)
        channels[key] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return channels

"""Plain networks as files of weights: safetensors, and the folder of the ``ofa`` package."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import torch
from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa._tensors import check_values, parse_tensors
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded
from optuna_ofa.space import Layer, Subnet, net_config, subnet_layers
from optuna_ofa.supernet import build_plain

_safetensors = try_import("safetensors.torch", extra="safetensors")
SAFETENSORS = (_safetensors,)
# files read by `ofa_specialized` of the ofa package
OFA_FILES = CONFIG, RUN_CONFIG, WEIGHTS = "net.config", "run.config", "init"
_OFA_ARCHITECTURES = ("MobileNetV3", "ProxylessNASNets", "ResNets")
# what layers may have that those of the ofa package have not
_OFA_LACKS: dict[str, Callable[[Layer], bool]] = {
    "basic blocks": lambda layer: layer.kind == "basic",
    "shortcuts padded with zeros": lambda layer: layer.downsample == "pad",
    "padding 'same'": lambda layer: layer.padding != "half",
    "the activation 'silu'": lambda layer: layer.act == "silu",
    "squeeze-and-excitation by input channels": lambda x: x.use_se and x.squeeze != "expanded",
    "bottlenecks whose middle channels are no multiple of 8": lambda layer: (
        layer.kind == "bottleneck" and layer.mid_channels % 8 > 0
    ),
}


def make_safetensors(deployable: Deployable) -> Contents:
    """Return the state dict; the rest of the network is in the metadata."""
    return {"": _safetensors.check().save(_state(deployable.net))}


def load_safetensors(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(subnet, _safetensors.check().load(contents[""]), contents[""])


def ofa_lacks(subnet: Subnet) -> str | None:
    """Return what a subnet has that no network of the ``ofa`` package has, if anything."""
    layers = subnet_layers(subnet)
    for words, has in _OFA_LACKS.items():
        if any(map(has, layers)):
            return words
    family = subnet.family
    if family.architecture not in _OFA_ARCHITECTURES:
        return f"{family.architecture} networks"
    no_pool = family.block != "mbconv" and not family.stem.pool
    return "ResNets without max pooling" if no_pool else None


def make_ofa(deployable: Deployable) -> Contents:
    """Return a folder of ``net.config``, ``run.config`` and the weights ``init``."""
    run_config = {"image_size": deployable.subnet.resolution}
    weights = io.BytesIO()
    torch.save({"state_dict": _state(deployable.net)}, weights)
    return {
        CONFIG: json.dumps(net_config(deployable.subnet), indent=1).encode(),
        RUN_CONFIG: json.dumps(run_config, indent=1).encode(),
        WEIGHTS: weights.getvalue(),
    }


def load_ofa(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the network in evaluation mode."""
    weights = parse_tensors(contents[WEIGHTS])
    return _filled(subnet, weights["state_dict"], contents[WEIGHTS])


def _state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in net.state_dict().items()}


def _filled(subnet: Subnet, state: dict[str, torch.Tensor], content: bytes) -> nn.Module:
    check_values(state, len(content))
    with torch.device("meta"):
        net = build_plain(subnet_layers(subnet), bn_eps=subnet.family.bn_eps)
    for name, expected in net.state_dict().items():
        if state[name].dtype != expected.dtype:
            raise ValueError(f"`{name}` has {state[name].dtype} instead of {expected.dtype}")
    net.load_state_dict(state, assign=True)
    return net.eval()

"""Plain networks as files of weights: safetensors, and the folder of the ``ofa`` package."""

from __future__ import annotations

import io
import json

import torch
from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa._tensors import check_values, parse_tensors
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded
from optuna_ofa.space import Subnet, net_config, subnet_layers
from optuna_ofa.supernet import build_plain

_safetensors = try_import("safetensors.torch", extra="safetensors")
SAFETENSORS = (_safetensors,)
# files read by `ofa_specialized` of the ofa package
OFA_FILES = CONFIG, RUN_CONFIG, WEIGHTS = "net.config", "run.config", "init"


def make_safetensors(deployable: Deployable) -> Contents:
    """Return the state dict; the rest of the network is in the metadata."""
    return {"": _safetensors.check().save(_state(deployable.net))}


def load_safetensors(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(subnet, _safetensors.check().load(contents[""]), contents[""])


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

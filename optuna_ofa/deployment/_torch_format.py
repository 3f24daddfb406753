"""Plain networks as files of weights: safetensors, and the folder of the ``ofa`` package."""

from __future__ import annotations

import io
import json

import torch
from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded
from optuna_ofa.space import Subnet, net_config, subnet_layers
from optuna_ofa.supernet import build_plain, not_finite

_safetensors = try_import("safetensors.torch", extra="safetensors")
SAFETENSORS = (_safetensors,)
# files read by `ofa_specialized` of the ofa package
OFA_FILES = CONFIG, RUN_CONFIG, WEIGHTS = "net.config", "run.config", "init"


def make_safetensors(deployable: Deployable) -> Contents:
    """Return the state dict; the rest of the network is in the metadata."""
    return {"": _safetensors.check().save(_state(deployable.net))}


def load_safetensors(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(subnet, _safetensors.check().load(contents[""]))


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
    with quiet():
        weights = torch.load(io.BytesIO(contents[WEIGHTS]), map_location="cpu", weights_only=True)
    return _filled(subnet, weights["state_dict"])


def _state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in net.state_dict().items()}


def _filled(subnet: Subnet, state: dict[str, torch.Tensor]) -> nn.Module:
    with torch.device("meta"):
        net = build_plain(subnet_layers(subnet), bn_eps=subnet.family.bn_eps)
    net.load_state_dict(state, assign=True)
    broken = not_finite(state)
    if broken is not None:
        raise ValueError(f"its `{broken}` has NaN or infinity")
    return net.eval()

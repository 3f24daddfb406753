"""Plain networks as files of weights: safetensors, and the folder of the ``ofa`` package."""

from __future__ import annotations

import io
import json
from pathlib import Path

import torch
from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded, Metadata
from optuna_ofa.space import layers_from_net_config, net_config
from optuna_ofa.supernet import build_plain

_safetensors = try_import("safetensors.torch", extra="safetensors")
SAFETENSORS = (_safetensors,)
# files that `ofa_specialized` of the ofa package reads
CONFIG, RUN_CONFIG, WEIGHTS = "net.config", "run.config", "init"


def make_safetensors(deployable: Deployable) -> Contents:
    """Return the state dict; the metadata has the rest of the network."""
    return {"": _safetensors.check().save(_state(deployable.net))}


def load_safetensors(path: Path, metadata: Metadata) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(metadata, _safetensors.check().load_file(path))


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


def load_ofa(path: Path, metadata: Metadata) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(metadata, torch.load(path / WEIGHTS, weights_only=True)["state_dict"])


def _state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in net.state_dict().items()}


def _filled(metadata: Metadata, state: dict[str, torch.Tensor]) -> nn.Module:
    config = metadata["net_config"]
    layers = layers_from_net_config(config, metadata["subnet"]["resolution"])
    with torch.device("meta"):
        net = build_plain(layers, bn_eps=config["bn"]["eps"])
    net.load_state_dict(state, assign=True)
    return net.eval()

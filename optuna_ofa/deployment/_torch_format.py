"""Plain networks as files of weights: safetensors, and the folder of the ``ofa`` package."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from optuna_ofa._files import replacing
from optuna_ofa._imports import try_import
from optuna_ofa.deployment._deployable import Deployable, Loaded, Metadata
from optuna_ofa.space import layers_from_net_config, net_config
from optuna_ofa.supernet import build_plain

_safetensors = try_import("safetensors.torch", extra="safetensors")
SAFETENSORS = (_safetensors,)
# files that `ofa_specialized` of the ofa package reads
CONFIG, RUN_CONFIG, WEIGHTS = "net.config", "run.config", "init"


def write_safetensors(deployable: Deployable, path: Path) -> list[Path]:
    """Write the state dict; the metadata has the rest of the network."""
    content = _safetensors.check().save(_state(deployable.net))
    with replacing(path) as place:  # its own `save_file` makes files that nobody else can read
        place.write_bytes(content)
    return [path]


def load_safetensors(path: Path, metadata: Metadata) -> Loaded:
    """Load the network in evaluation mode."""
    return _filled(metadata, _safetensors.check().load_file(path))


def write_ofa(deployable: Deployable, path: Path) -> list[Path]:
    """Write a folder of ``net.config``, ``run.config`` and the weights ``init``."""
    path.mkdir(exist_ok=True)
    texts = {
        CONFIG: net_config(deployable.subnet),
        RUN_CONFIG: {"image_size": deployable.subnet.resolution},
    }
    for name, content in texts.items():
        with replacing(path / name) as place:
            place.write_text(json.dumps(content, indent=1), encoding="utf-8")
    with replacing(path / WEIGHTS) as place:
        torch.save({"state_dict": _state(deployable.net)}, place)
    return [path / name for name in (*texts, WEIGHTS)]


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

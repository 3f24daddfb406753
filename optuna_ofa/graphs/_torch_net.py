"""Torch networks built from layers, with random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from optuna_ofa._files import read_json
from optuna_ofa.space import Layer
from optuna_ofa.supernet import build_layer

SUFFIX = ".layers.json"


def build_net(layers: Sequence[Layer], *, fold: bool = False) -> nn.Sequential:
    """Return a network built from layers with random weights, in evaluation mode.

    Args:
        layers: The layers in order.
        fold: Whether batch normalisation is folded into the convolutions.
    """
    net = nn.Sequential(*map(build_layer, layers)).eval()
    for module in net.modules():
        if isinstance(module, nn.Conv2d):  # activations keep their magnitude, so none is denormal
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    if fold:
        fold_batch_norm(net)
    return net


def fold_batch_norm(net: nn.Module) -> None:
    """Fold every batch normalisation into the convolution before it, as runtimes do, in place.

    Args:
        net: A plain network in evaluation mode.
    """
    for parent in net.modules():
        children = dict(parent.named_children())
        conv, bn = children.get("conv"), children.get("bn")
        if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
            parent.conv = fuse_conv_bn_eval(conv, bn)
            parent.bn = nn.Identity().eval()


def example_input(layers: Sequence[Layer], batch: int) -> Tensor:
    """Return random images or activations, ``(batch, channels, height, width)``."""
    first = layers[0]
    return torch.randn(batch, first.in_channels, first.in_size, first.in_size)


def write_layers(layers: Sequence[Layer], path: Path, batch: int) -> None:
    """Write layers for `build_net`; torch has no graph format that runs like eager code."""
    data = {"batch": batch, "layers": [asdict(layer) for layer in layers]}
    path.write_text(json.dumps(data), encoding="utf-8")


def read_layers(path: Path) -> tuple[list[Layer], int]:
    """Read the layers and the batch size that `write_layers` wrote.

    Raises:
        FormatError: If it is not JSON within the limits of files.
    """
    data = read_json(path)
    return [Layer(**layer) for layer in data["layers"]], int(data["batch"])

"""The published ``ofa`` package as a reference for tests and benchmarks.

``ofa`` imports torchvision for image loading and gdown for downloads, which neither networks nor
search need; where they are missing, empty modules stand in for them while ``ofa`` is imported.
The file is in no package: load it by its path, as ``tests/conftest.py`` does.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch
from torch import nn

from optuna_ofa.space import Family, Subnet

NETWORKS = "ofa.imagenet_classification.elastic_nn.networks"
STATIC_NETWORKS = "ofa.imagenet_classification.networks"


def import_reference(name: str = NETWORKS) -> ModuleType:
    """Import a module of ``ofa``; raises ImportError where the package is not installed."""
    stubs = _torchvision_stubs() | _gdown_stub()
    sys.modules.update(stubs)
    try:
        return importlib.import_module(name)
    finally:
        for stub in stubs:  # nothing else shall take them for the real ones
            del sys.modules[stub]


def _torchvision_stubs() -> dict[str, ModuleType]:
    if "torchvision" in sys.modules or find_spec("torchvision") is not None:
        return {}
    names = ("", ".datasets", ".transforms", ".transforms.functional")
    stubs = {f"torchvision{name}": ModuleType(f"torchvision{name}") for name in names}
    for name, module in list(stubs.items())[1:]:
        parent, _, child = name.rpartition(".")
        setattr(stubs[parent], child, module)
    transforms: Any = stubs["torchvision.transforms"]
    transforms.RandomResizedCrop = transforms.Resize = object
    return stubs


def _gdown_stub() -> dict[str, ModuleType]:
    missing = "gdown" not in sys.modules and find_spec("gdown") is None
    return {"gdown": ModuleType("gdown")} if missing else {}


def reference_supernet(family: Family, *, seed: int) -> Any:
    """The ``ofa`` supernet of a published family in eval mode, with everything random."""
    ofa = import_reference()
    choices: dict[str, Any] = {"depth_list": [2, 3, 4], "expand_ratio_list": [3, 4, 6]}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if family.architecture == "ResNets":
            net = ofa.OFAResNets(
                depth_list=[0, 1, 2],
                expand_ratio_list=[0.2, 0.25, 0.35],
                width_mult_list=[0.65, 0.8, 1.0],
            )
        else:
            make = getattr(ofa, f"OFA{family.architecture}")
            net = make(width_mult=family.width_mults[0], ks_list=[3, 5, 7], **choices)
        net.set_max_net()
        randomise(net)
    return net.eval()


@torch.no_grad()
def randomise(net: nn.Module) -> None:
    """Random batch normalisation and kernel transforms: an initial net would hide mistakes.

    The running statistics are those of one batch, off by up to a third. Statistics that have
    nothing to do with the activations let these grow from block to block, until float32 rounding
    alone changes the logits by 1e-4.
    """
    for name, parameter in net.named_parameters():
        if name.endswith("_matrix"):
            parameter.add_(torch.randn_like(parameter) * 0.1)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    net.train()(torch.randn(8, 3, 96, 96))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        for statistic in (norm.running_mean, norm.running_var):
            assert statistic is not None
            statistic.mul_(torch.empty_like(statistic).uniform_(0.75, 1.33))


def set_reference(net: Any, subnet: Subnet) -> None:
    """Make a subnet the active one of an ``ofa`` supernet."""
    if subnet.width:
        net.set_active_subnet(d=list(subnet.depth), e=list(subnet.expand), w=list(subnet.width))
    else:
        net.set_active_subnet(ks=list(subnet.kernel), e=list(subnet.expand), d=list(subnet.depth))

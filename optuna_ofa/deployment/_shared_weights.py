"""One copy of the weights that several subnets of a supernet have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from optuna_ofa.space import Subnet, slot_layers
from optuna_ofa.supernet import Supernet, slot_modules


def share_weights(supernet: Supernet, nets: Mapping[Subnet, nn.Module]) -> None:
    """Replace weights that networks have in common by views of the same memory, in place.

    A smaller layer has the first channels of a larger one, so its weight becomes a view of it. Only
    the smallest part of the supernet that contains all networks is stored. Depthwise kernels of
    different sizes have different values, because the supernet transforms them, and are stored
    separately, and so are projections that belong to one width only (`Supernet`). Each network
    keeps its own buffers, such as batch-normalisation statistics.

    Args:
        supernet: The supernet of the networks; it is not modified.
        nets: The networks by their subnets. Their weights take no gradients afterwards.
    """
    present: list[list[nn.Module]] = [[] for _ in slot_modules(supernet)]
    for subnet, net in nets.items():
        modules = slot_modules(net)
        for slot, layer in zip(present, slot_layers(subnet), strict=True):
            if layer is not None:
                slot.append(next(modules))
    for module, plain in zip(slot_modules(supernet), present, strict=True):
        _share_layer(module, plain)


def _share_layer(module: nn.Module, plain: Sequence[nn.Module]) -> None:
    elastic = dict(module.named_parameters())
    groups: dict[tuple[str, torch.Size], list[nn.Module]] = defaultdict(list)
    for net in plain:
        for name, parameter in net.named_parameters():
            groups[name, parameter.shape[2:]].append(net)
    for (name, kernel), members in groups.items():
        weights = [net.get_parameter(name).detach() for net in members]
        whole = elastic[name].detach()
        if whole.shape[2:] != kernel:  # a transformed kernel: taken from the largest one
            whole = max(weights, key=Tensor.numel)
        sizes = [max(entries) for entries in zip(*(w.shape for w in weights), strict=True)]
        shared = _corner(whole, sizes).clone()
        stored = [shared]
        for net, weight in zip(members, weights, strict=True):
            views = (_corner(tensor, weight.shape) for tensor in stored)
            view = next((view for view in views if torch.equal(view, weight)), None)
            if view is None:  # a weight of its own, perhaps that of other networks too
                stored.append(weight)
            _replace(net, name, weight if view is None else view)


def _corner(tensor: Tensor, sizes: Sequence[int]) -> Tensor:
    """Return the first entries of each dimension."""
    return tensor[tuple(slice(size) for size in sizes)]


def _replace(net: nn.Module, name: str, weight: Tensor) -> None:
    path, _, entry = name.rpartition(".")
    setattr(net.get_submodule(path), entry, nn.Parameter(weight, requires_grad=False))


def stored_bytes(nets: Sequence[nn.Module]) -> int:
    """Return the bytes of all parameters and buffers of networks; shared ones count once."""
    storages = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for net in nets
        for tensor in net.state_dict().values()
    }
    return sum(storages.values())


def own_bytes(net: nn.Module) -> int:
    """Return the bytes that a network would take on its own."""
    return sum(tensor.numel() * tensor.element_size() for tensor in net.state_dict().values())

"""A supernet whose largest subnet is a pretrained network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import nn

from optuna_ofa._arguments import AnyPath, checked
from optuna_ofa._rules import Instead
from optuna_ofa.pretrained._matching import match, own_state, require_match
from optuna_ofa.pretrained._state import read_state
from optuna_ofa.space import Family, find_family
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import sort_channels

Pretrained = Annotated[
    str | os.PathLike[str] | Mapping[str, Any] | nn.Module,
    Instead(
        "a path, a state dict or a module",
        lambda weights: isinstance(weights, str | os.PathLike | Mapping | nn.Module),
    ),
]


@checked
def supernet_from(weights: Pretrained, family: Family | AnyPath) -> Supernet:
    """Make a supernet of a pretrained network.

    The largest subnet is the network itself. Smaller subnets share its weights: they have the
    middle channels that are read most (L1 norm), and the centres of the kernels.

    Args:
        weights: The network's weights: the path of a state dict, the state dict or the module.
        family: The network as the largest subnet of a family, or the name of one.

    Returns:
        The supernet on the CPU, in training mode like any new module.

    Raises:
        FormatError: If the weights are no state dict of finite numbers.
        FamilyMismatchError: If a tensor is missing, is not used, or has another shape.
    """
    found_family = find_family(family, "family")
    state, where = read_state(weights)
    found = match(found_family, state)
    require_match(found, where)
    supernet = Supernet(found_family)
    own = supernet.state_dict()
    own |= {k: t.reshape(own[k].shape) for k, t in own_state(found, state).items()}
    with torch.no_grad():
        supernet.load_state_dict(own)
    sort_channels(supernet)
    return supernet

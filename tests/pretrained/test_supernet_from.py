"""Supernets whose largest subnet is a pretrained network."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_ofa import SearchSpace, Supernet, supernet_from
from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.pretrained._matching import match


def network(supernet: Supernet) -> torch.nn.Module:
    """The largest subnet alone, with statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(0)
    net = supernet.extract(SearchSpace(supernet.family).largest()).eval()
    for name, tensor in net.state_dict().items():
        if name.endswith(("mean", "var", "bn.weight", "bn.bias")):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net


def test_the_largest_subnet_is_the_network() -> None:
    net = network(Supernet("ofa_mbv3_fashion"))
    supernet = supernet_from(net.state_dict(), "ofa_mbv3_fashion").eval()
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(supernet(images), net(images), rtol=1e-5, atol=1e-5)


def test_own_keys_are_recognised() -> None:
    net = network(Supernet("ofa_mbv3_fashion"))
    found = match(Supernet("ofa_mbv3_fashion").family, net.state_dict())
    assert found.fits
    assert found.source.name == "optuna_ofa"


def test_a_module_is_run_beside_the_supernet() -> None:
    net = network(Supernet("ofa_mbv3_fashion"))
    assert supernet_from(net, "ofa_mbv3_fashion").family.name == "ofa_mbv3_fashion"
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    message = r"those of the Sequential differ by .*`bn_eps` 0\.001 where .* has 1e-05"
    with pytest.raises(FamilyMismatchError, match=message):
        supernet_from(net, "ofa_mbv3_fashion")


def test_a_module_with_other_outputs_is_refused() -> None:
    net = network(Supernet("ofa_mbv3_fashion"))
    net.register_forward_hook(lambda module, images, logits: (logits,))
    with pytest.raises(FamilyMismatchError, match=r"have shape \(0,\) instead of \(1, 10\)"):
        supernet_from(net, "ofa_mbv3_fashion")

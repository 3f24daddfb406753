"""Supernets whose largest subnet is a pretrained network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa import SearchSpace, Supernet, supernet_from
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.pretrained._matching import match

FAMILY = "ofa_mbv3_fashion"


def network(supernet: Supernet) -> torch.nn.Module:
    """The largest subnet alone, with statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(0)
    net = supernet.extract(SearchSpace(supernet.family).largest()).eval()
    for name, tensor in net.state_dict().items():
        if name.endswith(("mean", "var", "bn.weight", "bn.bias")):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return net


def test_the_largest_subnet_is_the_network() -> None:
    net = network(Supernet(FAMILY))
    supernet = supernet_from(net.state_dict(), FAMILY).eval()
    images = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(supernet(images), net(images), rtol=1e-5, atol=1e-5)


def test_own_keys_are_recognised() -> None:
    net = network(Supernet(FAMILY))
    found = match(Supernet(FAMILY).family, net.state_dict())
    assert found.fits
    assert found.source.name == "optuna_ofa"


def test_a_module_is_run_beside_the_supernet() -> None:
    net = network(Supernet(FAMILY))
    assert supernet_from(net, FAMILY).family.name == FAMILY
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3
    message = r"those of the Sequential differ by .*`bn_eps` 0\.001 where .* has 1e-05"
    with pytest.raises(FamilyMismatchError, match=message):
        supernet_from(net, FAMILY)


def test_a_module_with_other_outputs_is_refused() -> None:
    net = network(Supernet(FAMILY))
    net.register_forward_hook(lambda module, images, logits: (logits,))
    with pytest.raises(FamilyMismatchError, match=r"have shape \(0,\) instead of \(1, 10\)"):
        supernet_from(net, FAMILY)


def test_images_leave_the_largest_subnet_as_it_is() -> None:
    images = torch.randn(32, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    net = network(Supernet(FAMILY))
    supernet = supernet_from(net.state_dict(), FAMILY, calibration=images).eval()
    assert supernet.own_projections
    with torch.no_grad():
        torch.testing.assert_close(supernet(images), net(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(32, 3, 28, 28), r"images of shape \(n, 1, size, size\)"),
        (torch.zeros(32, 1, 28, 20), "square images"),
        (torch.full((32, 1, 28, 28), torch.nan), "images of finite pixels"),
    ],
)
def test_other_images_are_refused(images: Tensor, message: str) -> None:
    state = network(Supernet(FAMILY)).state_dict()
    with pytest.raises(InvalidArgumentError, match=f"`calibration` must be {message}"):
        supernet_from(state, FAMILY, calibration=images)

"""Channels are sorted without changing what the largest net computes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family, SearchSpace, get_family, mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet
from optuna_ofa.training import sort_channels


def random_supernet(family: Family) -> Supernet:
    """A supernet in eval mode in which every tensor is random."""
    generator = torch.Generator().manual_seed(0)
    net = Supernet(family).double()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.data.uniform_(0.5, 1.5, generator=generator)
    for name, parameter in net.named_parameters():
        if name.endswith("_matrix"):
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.data += 0.1 * noise
    return net.eval()


def families() -> dict[str, Family]:
    return {
        "small images": mobilenet_v3_small_images("own", resolutions=(16,)),
        "proxylessnas": get_family("ofa_proxyless_w1.3"),
        "resnet": get_family("ofa_resnet50"),
        "basic blocks": get_family("resnet20_cifar10"),
        "padding": get_family("efficientnet_lite0"),
        "shares": get_family("mobilenet_v3_large"),
        "squeeze": get_family("efficientnet_b0"),
    }


def importance(weight: Tensor) -> Tensor:
    return weight.detach().abs().sum((0, 2, 3))


@pytest.mark.parametrize("label", families())
@pytest.mark.parametrize("n_standing", [0, 2])
@torch.no_grad()
def test_the_largest_net_computes_the_same(label: str, n_standing: int) -> None:
    family = families()[label]
    net = random_supernet(family)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    before = net(images)
    weights = copy.deepcopy(net.state_dict())
    sort_channels(net, standing=family.expands[-n_standing:] if n_standing else ())
    assert any(not torch.equal(weights[name], t) for name, t in net.state_dict().items())
    torch.testing.assert_close(net(images), before)


@pytest.mark.parametrize("label", families())
@torch.no_grad()
def test_subnets_that_stand_compute_the_same(label: str) -> None:
    family = families()[label]
    net = random_supernet(family)
    space = SearchSpace(family)
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    standing = family.expands[-2:]
    subnets = [space.subnet(expand=ratio) for ratio in standing]
    outputs = []
    for subnet in subnets:
        net.activate(subnet)
        outputs.append(net(images))
    # squeezed channels are groups too; ResNet's conv1 is grouped by the widths of conv2
    sort_channels(net, standing=standing)
    for subnet, expected in zip(subnets, outputs, strict=True):
        net.activate(subnet)
        torch.testing.assert_close(net(images), expected)


def test_importance_falls_in_every_block() -> None:
    net = random_supernet(mobilenet_v3_small_images("own"))
    sort_channels(net)
    readers = [p for n, p in net.named_parameters() if n.endswith("point_linear.conv.weight")]
    readers = [p for p in readers if p.shape[1] > p.shape[0]]  # not the block without expansion
    readers += [p for n, p in net.named_parameters() if n.endswith("se.fc.expand.weight")]
    assert len(readers) == 12 + 8
    for reader in readers:
        assert (importance(reader).diff() <= 0).all()


def test_importance_falls_inside_the_groups_that_stand() -> None:
    net = random_supernet(mobilenet_v3_small_images("own"))
    name = "blocks.10.conv.point_linear.conv.weight"  # 48 channels come in, so 144, 192 or 288 mid
    weight = net.get_parameter(name)
    # the last group matters most, by differences that float32 shows beside 1e5 as nothing
    scores = torch.linspace(1e-3, 2e-3, weight.shape[1], dtype=torch.float64)
    weight.data = scores[:, None, None].expand(weight.shape[0], -1, 1, 1).clone()
    net.float()
    sort_channels(net, standing=(4, 6))
    found = importance(net.get_parameter(name))
    assert (found[:192].diff() < 0).all()
    assert (found[192:].diff() < 0).all()
    assert found[:192].max() < found[192:].min()


def test_another_ratio_is_refused() -> None:
    net = Supernet(mobilenet_v3_small_images("own"))
    with pytest.raises(InvalidArgumentError, match=r"`standing` must be among \(3, 4, 6\).*\[5\]"):
        sort_channels(net, standing=(5,))

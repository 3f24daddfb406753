"""Projections and kernels of their own for smaller choices."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import Family, SearchSpace, Subnet, get_family, slot_layers
from optuna_ofa.supernet import Supernet, load_supernet, save_supernet
from optuna_ofa.supernet._elastic import Size
from optuna_ofa.supernet._own_weights import OwnDepthwiseConv2d, OwnProjection, slice_own_weights
from optuna_ofa.training import sort_channels

SMALL = get_family("ofa_mbv3_fashion")
# a family of each kind of block, narrow enough for quick tests
RESNET = replace(
    get_family("ofa_resnet50"),
    name="narrow",
    aliases=(),
    stages=tuple(
        replace(stage, out_channels=tuple(c // 8 for c in stage.out_channels))
        for stage in get_family("ofa_resnet50").stages
    ),
)
every_family = pytest.mark.parametrize(
    "family", [SMALL, RESNET, get_family("resnet20_cifar10")], ids=["mbconv", "bottleneck", "basic"]
)


def own_names(net: nn.Module) -> list[str]:
    return [name for name, _ in net.named_parameters() if ".own_" in f".{name}"]


def scrambled(family: Family) -> Supernet:
    """A supernet in eval mode whose own weights differ from those of the largest choice."""
    torch.manual_seed(0)
    net = Supernet(family, own_projections=True).eval()
    with torch.no_grad():
        for name in own_names(net):
            net.get_parameter(name).normal_(std=0.1)
    return net


def images(family: Family, n: int = 2) -> Tensor:
    return torch.randn(n, family.in_channels, 32, 32, generator=torch.Generator().manual_seed(1))


def some_subnets(family: Family) -> list[Subnet]:
    space = SearchSpace(family)
    return [space.smallest(), *space.from_matrix(space.sample(3, seed=0))]


def projection() -> OwnProjection:
    torch.manual_seed(0)
    return OwnProjection(6, 4, own={"own_k3_c6": 6, "own_k5_c3": 3})


@pytest.mark.parametrize(
    ("size", "name"),
    [(Size(6, 4, own="own_k3_c6"), "own_k3_c6"), (Size(3, 2, own="own_k5_c3"), "own_k5_c3")],
    ids=["same width, other kernel", "narrower"],
)
def test_projection_uses_the_weight_of_its_choice(size: Size, name: str) -> None:
    conv = projection()
    with torch.no_grad():
        conv.get_parameter(name).normal_()
    conv.active = size
    x = torch.randn(2, size.in_channels, 5, 5)
    expected = F.conv2d(x, conv.get_parameter(name)[: size.out_channels])
    torch.testing.assert_close(conv(x), expected)
    torch.testing.assert_close(conv.extract()(x), expected)


def test_largest_choice_uses_the_weight_itself() -> None:
    conv = projection()
    assert conv.filters(Size(6, 4, own="own_k5_c6")) is conv.weight


def test_only_the_weight_in_use_gets_a_gradient() -> None:
    conv = projection()
    conv.active = Size(3, 4, own="own_k5_c3")
    conv(torch.randn(1, 3, 4, 4)).sum().backward()
    with_gradient = [name for name, p in conv.named_parameters() if p.grad is not None]
    assert with_gradient == ["own_k5_c3"]


def test_depthwise_uses_the_filters_of_its_kernel() -> None:
    conv = OwnDepthwiseConv2d(4, (3, 5, 7), stride=2)
    with torch.no_grad():
        conv.get_parameter("own_k3").normal_()
    conv.active = Size(3, 3, 3)
    x = torch.randn(2, 3, 9, 9)
    expected = F.conv2d(x, conv.get_parameter("own_k3")[:3], None, 2, 1, groups=3)
    torch.testing.assert_close(conv(x), expected)
    torch.testing.assert_close(conv.extract()(x), expected)
    assert set(conv.state_dict()) == {"weight", "own_k3", "own_k5"}


@every_family
def test_new_supernet_computes_what_one_without_does(family: Family) -> None:
    torch.manual_seed(0)
    shared = Supernet(family).eval()
    torch.manual_seed(0)
    own = Supernet(family, own_projections=True).eval()
    for subnet in some_subnets(family):
        shared.activate(subnet)
        own.activate(subnet)
        torch.testing.assert_close(own(images(family)), shared(images(family)), rtol=0, atol=0)


@every_family
def test_own_weights_can_be_sliced_again(family: Family) -> None:
    net, subnet = scrambled(family), SearchSpace(family).smallest()
    plain = Supernet(family).eval()
    plain.load_state_dict(
        {k: v for k, v in net.state_dict().items() if ".own_" not in k}, strict=False
    )
    plain.activate(subnet)
    net.activate(subnet)
    expected = plain(images(family))
    assert not torch.allclose(net(images(family)), expected)
    slice_own_weights(net)
    torch.testing.assert_close(net(images(family)), expected, rtol=0, atol=0)


@every_family
def test_the_largest_subnet_reads_no_own_weight(family: Family) -> None:
    net = scrambled(family)
    before = net(images(family))
    with torch.no_grad():
        for name in own_names(net):
            net.get_parameter(name).fill_(torch.nan)
    torch.testing.assert_close(net(images(family)), before, rtol=0, atol=0)


@every_family
def test_each_block_reads_the_projection_of_its_kernel_and_width(family: Family) -> None:
    net = scrambled(family)
    largest = slot_layers(SearchSpace(family).largest())
    for subnet in some_subnets(family):
        net.zero_grad()
        net.activate(subnet)
        net(images(family)).sum().backward()
        used = [name for name in own_names(net) if net.get_parameter(name).grad is not None]
        read = [name.rpartition(".")[2] for name in used]
        expected = [
            f"own_k{layer.kernel}_c{layer.mid_channels}"
            for layer, most in zip(slot_layers(subnet), largest, strict=True)
            if layer is not None and most is not None and layer.mid_channels
            if (layer.kernel, layer.mid_channels) != (most.kernel, most.mid_channels)
        ]
        assert [name for name in read if "_c" in name] == expected
        assert expected


@every_family
def test_extracted_net_equals_the_active_subnet(family: Family) -> None:
    net = scrambled(family)
    for subnet in some_subnets(family):
        net.activate(subnet)
        torch.testing.assert_close(net.extract(subnet)(images(family)), net(images(family)))


@every_family
def test_checkpoint_keeps_own_projections(family: Family, tmp_path: Path) -> None:
    net = scrambled(family)
    save_supernet(net, tmp_path / "own.pth")
    loaded = load_supernet(tmp_path / "own.pth")
    assert loaded.own_projections
    torch.testing.assert_close(loaded.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_bare_state_dict_with_own_weights_loads(tmp_path: Path) -> None:
    net = scrambled(SMALL)
    torch.save(net.state_dict(), tmp_path / "bare.pth")
    loaded = load_supernet(SMALL, weights=tmp_path / "bare.pth")
    torch.testing.assert_close(loaded.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_checkpoint_that_lacks_an_own_weight_is_refused(tmp_path: Path) -> None:
    save_supernet(scrambled(SMALL), tmp_path / "own.pth")
    content = torch.load(tmp_path / "own.pth", weights_only=True)
    del content["state_dict"][next(k for k in content["state_dict"] if ".own_" in k)]
    torch.save(content, tmp_path / "own.pth")
    with pytest.raises(FamilyMismatchError, match=r"1 missing \(`blocks\.1\..*\.own_k"):
        load_supernet(tmp_path / "own.pth")


def test_flag_of_another_type_is_refused(tmp_path: Path) -> None:
    save_supernet(scrambled(SMALL), tmp_path / "own.pth")
    content = torch.load(tmp_path / "own.pth", weights_only=True)
    torch.save({**content, "own_projections": 2}, tmp_path / "own.pth")
    with pytest.raises(FormatError, match=r"`own_projections` of .* must be True or False"):
        load_supernet(tmp_path / "own.pth")


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_compute_the_same_and_are_independent(copied: object) -> None:
    net = scrambled(SMALL)
    net.activate(SearchSpace(SMALL).smallest())
    expected = net(images(SMALL))
    assert callable(copied)
    other = copied(net)
    torch.testing.assert_close(other(images(SMALL)), expected, rtol=0, atol=0)
    with torch.no_grad():
        other.get_parameter(own_names(other)[0]).fill_(torch.nan)
    torch.testing.assert_close(net(images(SMALL)), expected, rtol=0, atol=0)


def test_channels_that_own_projections_fit_are_not_sorted() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`supernet` must share.*own_projections=True"):
        sort_channels(scrambled(SMALL))

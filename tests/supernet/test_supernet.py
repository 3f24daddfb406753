"""What a supernet promises besides the numbers of the reference."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space import ACTIVATIONS, Family, SearchSpace, Subnet, families, get_family
from optuna_ofa.supernet import Elastic, Supernet

NAMES = [family.name for family in families()]
# one family of each kind of block, and others of the first kind
SMALL = (
    "ofa_mbv3_w1.0",
    "ofa_resnet50",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "efficientnet_b0",
    "mobilenet_v3_large",
)


@pytest.fixture(scope="module")
def supernets() -> dict[str, Supernet]:
    """Random supernets in eval mode, whose running statistics are not the initial ones."""
    torch.manual_seed(0)
    made = {name: Supernet(get_family(name)) for name in {*NAMES, *SMALL}}
    with torch.no_grad():
        for net in made.values():
            net(torch.randn(4, 3, 64, 64))
            net.eval()
    return made


def snapshot(net: Supernet) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "n_entries", "n_parameters"),
    [
        ("ofa_mbv3_w1.0", 475, 7_678_880),
        ("ofa_mbv3_w1.2", 475, 10_715_752),
        ("ofa_proxyless_w1.3", 446, 7_956_882),
        ("ofa_resnet50", 368, 48_105_992),
    ],
    ids=NAMES,
)
def test_supernet_has_the_published_size(
    supernets: dict[str, Supernet], name: str, n_entries: int, n_parameters: int
) -> None:
    assert len(supernets[name].state_dict()) == n_entries
    assert sum(p.numel() for p in supernets[name].parameters()) == n_parameters


@pytest.mark.parametrize(
    ("extreme", "n_parameters"), [("smallest", 3_410_792), ("largest", 7_664_760)]
)
def test_extracted_net_has_the_published_size(
    supernets: dict[str, Supernet], extreme: str, n_parameters: int
) -> None:
    subnet = getattr(SearchSpace("ofa_mbv3_w1.0"), extreme)()
    net = supernets["ofa_mbv3_w1.0"].extract(subnet)
    assert sum(p.numel() for p in net.parameters()) == n_parameters


@pytest.mark.parametrize("name", NAMES)
def test_new_supernet_has_its_largest_subnet_active(
    supernets: dict[str, Supernet], name: str
) -> None:
    assert Supernet(get_family(name)).active == SearchSpace(name).largest()


@pytest.mark.parametrize("name", NAMES)
def test_extracted_net_equals_active_subnet(
    supernets: dict[str, Supernet], draw: Callable[..., list[Subnet]], name: str
) -> None:
    net, images = supernets[name], torch.randn(2, 3, 72, 72)
    for subnet in [SearchSpace(name).smallest(), *draw(name, 5, seed=4)]:
        net.activate(subnet)
        with torch.no_grad():
            torch.testing.assert_close(net.extract(subnet)(images), net(images))


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", SMALL)
def test_extract_leaves_the_supernet(
    supernets: dict[str, Supernet], draw: Callable[..., list[Subnet]], name: str, training: bool
) -> None:
    net = copy.deepcopy(supernets[name]).train(training)
    active, other = draw(name, 2, seed=5)
    net.activate(active)
    before = snapshot(net)
    extracted = net.extract(other)
    for tensor in extracted.state_dict().values():
        tensor.fill_(0)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert net.active == active
    assert all(module.training == training for module in net.modules())


@pytest.mark.parametrize("name", SMALL)
def test_active_subnet_computes_the_same_after_extract(
    supernets: dict[str, Supernet], draw: Callable[..., list[Subnet]], name: str
) -> None:
    net, images = supernets[name], torch.randn(1, 3, 64, 64)
    active, other = draw(name, 2, seed=6)
    net.activate(active)
    with torch.no_grad():
        before = net(images)
        net.extract(other)
        torch.testing.assert_close(net(images), before, rtol=0, atol=0)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_extracted_net_is_in_the_mode_of_the_supernet(
    supernets: dict[str, Supernet], training: bool
) -> None:
    net = copy.deepcopy(supernets["ofa_mbv3_w1.0"]).train(training)
    extracted = net.extract(net.active)
    assert all(module.training == training for module in extracted.modules())


@pytest.mark.parametrize("name", NAMES)
def test_extracted_net_has_nothing_elastic(supernets: dict[str, Supernet], name: str) -> None:
    net = supernets[name].extract(SearchSpace(name).smallest())
    assert not [m for m in net.modules() if isinstance(m, Elastic | Supernet)]


@pytest.mark.parametrize("name", SMALL)
def test_extracted_net_shares_no_storage(supernets: dict[str, Supernet], name: str) -> None:
    net = supernets[name]
    extracted = net.extract(net.active)
    own = {tensor.untyped_storage().data_ptr() for tensor in net.state_dict().values()}
    theirs = {tensor.untyped_storage().data_ptr() for tensor in extracted.state_dict().values()}
    assert not own & theirs


def test_extract_draws_no_random_numbers(supernets: dict[str, Supernet]) -> None:
    before = torch.get_rng_state()
    supernets["ofa_mbv3_w1.0"].extract(SearchSpace("ofa_mbv3_w1.0").smallest())
    assert torch.equal(torch.get_rng_state(), before)


def test_extracted_net_keeps_the_dtype(supernets: dict[str, Supernet]) -> None:
    net = copy.deepcopy(supernets["ofa_mbv3_w1.0"]).double()
    dtypes = {parameter.dtype for parameter in net.extract(net.active).parameters()}
    assert dtypes == {torch.float64}


@pytest.mark.parametrize("method", ["activate", "extract"])
def test_subnet_of_another_family_is_refused(supernets: dict[str, Supernet], method: str) -> None:
    net, stranger = supernets["ofa_mbv3_w1.0"], SearchSpace("ofa_mbv3_w1.2").smallest()
    with pytest.raises(InvalidSubnetError, match=r"`subnet` must be of ofa_mbv3_w1\.0, .*w1\.2"):
        getattr(net, method)(stranger)


def test_refused_subnet_leaves_the_active_one(supernets: dict[str, Supernet]) -> None:
    net = supernets["ofa_mbv3_w1.0"]
    before = net.active
    with pytest.raises(InvalidSubnetError, match="`subnet`"):
        net.activate(SearchSpace("ofa_mbv3_w1.2").smallest())
    assert net.active == before


def test_inactive_blocks_get_no_gradient() -> None:
    net = Supernet(get_family("ofa_mbv3_w1.0"))
    net.activate(SearchSpace("ofa_mbv3_w1.0").smallest())
    net(torch.randn(2, 3, 64, 64)).sum().backward()
    with_gradient = {
        int(name.split(".")[1])
        for name, parameter in net.named_parameters()
        if name.startswith("blocks.") and parameter.grad is not None
    }
    # block 0 is the stem's; the first 2 blocks of each stage of 4 are active
    assert with_gradient == {0, 1, 2, 5, 6, 9, 10, 13, 14, 17, 18}


@pytest.mark.parametrize("name", SMALL)
def test_deep_copy_is_independent(supernets: dict[str, Supernet], name: str) -> None:
    net = supernets[name]
    space, images = SearchSpace(name), torch.randn(1, 3, 64, 64)
    net.activate(space.largest())
    with torch.no_grad():
        expected = net(images)
        copy.deepcopy(net).activate(space.smallest())
        torch.testing.assert_close(net(images), expected, rtol=0, atol=0)


def changed(name: str, **changes: Any) -> Family:
    return replace(get_family(name), name="own", aliases=(), **changes)


def own_families() -> dict[str, Family]:
    mbv3, proxyless, resnet = (get_family(n) for n in NAMES if n != "ofa_mbv3_w1.2")
    shallow = tuple(replace(stage, depths=(1, 2)) for stage in mbv3.stages[:3])
    narrow = tuple(
        replace(stage, out_channels=tuple(c // 2 for c in stage.out_channels))
        for stage in resnet.stages
    )
    return {
        "10 classes": changed(mbv3.name, head=replace(mbv3.head, n_classes=10)),
        "1 channel, stem stride 1": changed(
            mbv3.name, in_channels=1, stem=replace(mbv3.stem, stride=1)
        ),
        "3 shallow stages": changed(mbv3.name, stages=shallow),
        "kernels 3 and 5": changed(proxyless.name, kernels=(3, 5)),
        "fixed kernel and expand": changed(proxyless.name, kernels=(5,), expands=(3,)),
        "no expansion": changed(mbv3.name, expands=(1,)),
        "narrow resnet": changed(resnet.name, stages=narrow, in_channels=1),
    }


@pytest.mark.parametrize("label", own_families())
def test_own_family_needs_only_a_table(label: str) -> None:
    family = own_families()[label]
    net = Supernet(family).eval()
    images = torch.randn(2, family.in_channels, 64, 64)
    for subnet in (SearchSpace(family).smallest(), SearchSpace(family).largest()):
        net.activate(subnet)
        with torch.no_grad():
            logits = net(images)
            torch.testing.assert_close(net.extract(subnet)(images), logits)
        assert logits.shape == (2, family.head.n_classes)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_every_activation_that_a_table_may_name_can_be_built(act: str) -> None:
    head = replace(get_family("ofa_mbv3_fashion").head, act=act)
    family = changed("ofa_mbv3_fashion", head=head)
    assert Supernet(family).eval()(torch.randn(1, 1, 20, 20)).shape == (1, 10)


@pytest.mark.parametrize("dropout", [-0.1, 1.5])
def test_dropout_outside_of_0_and_1_is_refused(dropout: float) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"`dropout` must be a number.*, but got {dropout}"
    ):
        Supernet(get_family("ofa_mbv3_w1.0"), dropout=dropout)


def test_dropout_stands_before_the_classifier_of_an_extracted_net() -> None:
    net = Supernet(get_family("ofa_mbv3_w1.0"), dropout=0.3)
    (dropout,) = [m for m in net.extract(net.active).modules() if isinstance(m, nn.Dropout)]
    assert dropout.p == 0.3

"""``net.config`` against the `ofa` package."""

from __future__ import annotations

import copy
import json
from types import ModuleType
from typing import Any

import pytest

from optuna_ofa.space import (
    SearchSpace,
    Subnet,
    families,
    net_config,
    read_net_config,
    subnet_to_dialect,
)

FAMILIES = [family.name for family in families()]


def random_subnets(family: str, n: int) -> list[Subnet]:
    space = SearchSpace(family)
    return space.from_matrix(space.sample(n, seed=1))


@pytest.fixture(scope="module", params=FAMILIES)
def supernet(request: pytest.FixtureRequest, ofa: ModuleType) -> tuple[str, Any]:
    """The name of a family and its supernet in the `ofa` package."""
    from ofa.imagenet_classification.elastic_nn import networks

    name: str = request.param
    mobile = {"ks_list": [3, 5, 7], "expand_ratio_list": [3, 4, 6], "depth_list": [2, 3, 4]}
    if name == "ofa_resnet50":
        return name, networks.OFAResNets(
            dropout_rate=0,
            depth_list=[0, 1, 2],
            expand_ratio_list=[0.2, 0.25, 0.35],
            width_mult_list=[0.65, 0.8, 1.0],
        )
    width = float(name[-3:])
    if name.startswith("ofa_mbv3"):
        return name, networks.OFAMobileNetV3(dropout_rate=0, width_mult=width, **mobile)
    return name, networks.OFAProxylessNASNets(dropout_rate=0, width_mult=width, **mobile)


def as_json(config: dict[str, Any]) -> Any:
    """A config of `ofa`, whose stem of ResNets holds a module where its config should be."""
    return json.loads(json.dumps(config, default=lambda module: module.config))


def test_equals_the_active_config_of_ofa(supernet: tuple[str, Any]) -> None:
    name, net = supernet
    for subnet in random_subnets(name, 20):
        net.set_active_subnet(**subnet_to_dialect(subnet, "ofa"))
        assert net_config(subnet) == as_json(net.get_active_net_config())


def test_read_net_config_fills_in_what_ofa_does(supernet: tuple[str, Any]) -> None:
    name, net = supernet
    subnet = random_subnets(name, 1)[0]
    net.set_active_subnet(**subnet_to_dialect(subnet, "ofa"))
    static = net.get_active_subnet(preserve_weight=False)
    assert read_net_config(net_config(subnet)) == static.config


@pytest.mark.parametrize("name", [*FAMILIES, "resnet50"])
def test_ofa_builds_the_network(ofa: ModuleType, name: str) -> None:
    from ofa.imagenet_classification import networks

    subnet = random_subnets(name, 1)[0]
    static = getattr(networks, subnet.family.architecture)
    # `ofa` takes the names out of the config that it is given
    net = static.build_from_config(copy.deepcopy(net_config(subnet)))
    assert net.config == read_net_config(net_config(subnet))


@pytest.mark.parametrize("name", [*FAMILIES, "resnet20_cifar10"])
def test_is_json(name: str) -> None:
    config = net_config(random_subnets(name, 1)[0])
    assert json.loads(json.dumps(config)) == config

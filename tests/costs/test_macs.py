"""Multiply-adds and parameters against measured subnets, released configs and ``ofa``'s counter."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.space import (
    Layer,
    SearchSpace,
    get_family,
    layers_from_net_config,
    net_config,
    read_measured_subnets,
    read_specialized,
    subnet_from_net_config,
    subnet_layers,
)

SPACE = SearchSpace("ofa_mbv3_w1.0")
MEASURED = (
    "mbnv3w10_evoga_acc",
    "mbnv3w10_evonsga2_acc_macs",
    "mbnv3w10_evounsga3_acc_macs_params",
)
SPECIALIZED = (
    "1080ti_gpu64-27ms_top1-76.4_finetune-25",
    "cpu_lat-10ms_top1-71.1_finetune-25",
    "flops-389M_top1-79.1_finetune-75",
    "flops-595M_top1-80.0_finetune-75",
    "note10_lat-11ms_top1-73.6_finetune-25",
    "note10_lat-30ms_top1-78.4_finetune-75",
    "note10_lat-64ms_top1-80.2_finetune-75",
    "pixel1_lat-20ms_top1-71.4_finetune-25",
    "tx2_gpu16-35ms_top1-70.3_finetune-25",
    "v100_gpu64-9ms_top1-75.3_finetune-25",
)


@pytest.mark.parametrize("name", MEASURED)
def test_macs_and_parameters_are_those_of_every_measured_subnet(
    shared_data: Path, name: str
) -> None:
    path = shared_data / "ofa_mbv3_w1.0_measured" / f"{name}.csv"
    measured = read_measured_subnets(path, SPACE.family)
    matrix = SPACE.to_matrix(measured.subnets)
    macs = LayerSum(SPACE, lambda layer, _: layer_macs(layer))(matrix)
    params = LayerSum(SPACE, lambda layer, _: layer_params(layer))(matrix)
    np.testing.assert_array_equal(macs, measured.n_macs)
    np.testing.assert_array_equal(params, measured.n_params)


@pytest.mark.parametrize(
    ("extreme", "n_params", "macs_in_millions"),
    [("smallest", 3_410_792, 121.28), ("largest", 7_664_760, 566.17)],
)
def test_extremes_at_224(extreme: str, n_params: int, macs_in_millions: float) -> None:
    layers = subnet_layers(getattr(SPACE.restrict(resolution=224), extreme)())
    assert sum(map(layer_params, layers)) == n_params
    assert round(sum(map(layer_macs, layers)) / 1e6, 2) == macs_in_millions


@pytest.mark.parametrize(
    ("name", "macs_in_millions"),
    [("flops-389M_top1-79.1_finetune-75", 389.5), ("flops-595M_top1-80.0_finetune-75", 595.2)],
    ids=["389M", "595M"],
)
def test_released_config_has_the_macs_of_its_name(
    shared_data: Path, name: str, macs_in_millions: float
) -> None:
    config, resolution = read_specialized(shared_data / "specialized" / name)
    layers = layers_from_net_config(config, resolution)
    assert round(sum(map(layer_macs, layers)) / 1e6, 1) == macs_in_millions


@pytest.mark.parametrize("name", SPECIALIZED)
def test_released_config_equals_the_counter_of_ofa(
    ofa: ModuleType, shared_data: Path, name: str
) -> None:
    from ofa.nas.efficiency_predictor import latency_lookup_table as tables

    folder = shared_data / "specialized" / name
    theirs = json.loads((folder / "net.config").read_text())
    counter = {
        "MobileNetV3": tables.MBv3LatencyTable,
        "ProxylessNASNets": tables.ProxylessNASLatencyTable,
    }[theirs["name"]]
    config, resolution = read_specialized(folder)
    layers = layers_from_net_config(config, resolution)
    assert sum(map(layer_macs, layers)) / 1e6 == counter.count_flops_given_config(
        theirs, resolution
    )


def test_subnet_of_a_released_config_costs_the_same(shared_data: Path) -> None:
    config, size = read_specialized(shared_data / "specialized" / SPECIALIZED[2])
    subnet = subnet_from_net_config(config, size)
    expected = sum(map(layer_macs, layers_from_net_config(config, size)))
    assert sum(map(layer_macs, subnet_layers(subnet))) == expected


def test_resnet_equals_the_counter_of_ofa(ofa: ModuleType) -> None:
    from ofa.nas.efficiency_predictor.latency_lookup_table import ResNet50LatencyTable

    space = SearchSpace("ofa_resnet50")
    for subnet in space.from_matrix(space.sample(20, seed=0)):
        ours = sum(map(layer_macs, subnet_layers(subnet))) / 1e6
        theirs = ResNet50LatencyTable.count_flops_given_config(
            net_config(subnet), subnet.resolution
        )
        assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    "family", ["ofa_mbv3_w1.0", "ofa_proxyless_w1.3", "ofa_resnet50", "resnet50"]
)
def test_parameters_are_those_of_the_network_of_ofa(ofa: ModuleType, family: str) -> None:
    from ofa.imagenet_classification import networks

    space = SearchSpace(family)
    for subnet in space.from_matrix(space.sample(2, seed=3)):
        build: Any = getattr(networks, get_family(family).architecture)
        net = build.build_from_config(net_config(subnet))
        n_params = sum(p.numel() for p in net.parameters())
        assert sum(map(layer_params, subnet_layers(subnet))) == n_params


@pytest.mark.parametrize("kind", ["max_pool", "avg_pool"])
def test_pooling_is_free(kind: Any) -> None:
    layer = Layer("pool", kind, 64, 64, 14, 7)
    assert (layer_macs(layer), layer_params(layer)) == (0, 0)

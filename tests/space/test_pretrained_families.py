"""The families whose largest subnet is a network with published weights."""

from __future__ import annotations

import pytest

from optuna_ofa.costs import layer_macs, layer_params
from optuna_ofa.space import SearchSpace, subnet_layers

# pixels, millions of multiply-adds and of parameters of the network itself
PUBLISHED = {
    "efficientnet_lite0": (224, 385.187552, 4.652008),
    "efficientnet_lite1": (240, 600.185232, 5.41668),
    "efficientnet_lite2": (260, 859.736272, 6.092072),
    "mobilenet_v2": (224, 300.774272, 3.504872),
    "mnasnet1_0": (224, 314.415872, 4.383312),
    "mobilenet_v3_large": (224, 216.58976, 5.483032),
    "mobilenetv3_large_100": (224, 216.58976, 5.483032),
    "efficientnet_b0": (224, 385.814752, 5.288548),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_largest_subnet_has_the_size_of_the_network(name: str) -> None:
    largest = SearchSpace(name).largest()
    layers = subnet_layers(largest)
    n_macs, n_params = (sum(map(of, layers)) / 1e6 for of in (layer_macs, layer_params))
    assert (largest.resolution, n_macs, n_params) == PUBLISHED[name]


def test_kernels_of_each_stage() -> None:
    space = SearchSpace("efficientnet_lite0")
    found = {name: c for name, c in space.choices.items() if name.endswith("block1.kernel")}
    assert list(found.values()) == [(3,), (3, 5), (3,), (3, 5), (3, 5), (3,)]
    assert [len(c) for name, c in space.choices.items() if name.endswith("depth")] == [
        2,
        2,
        3,
        3,
        4,
    ]

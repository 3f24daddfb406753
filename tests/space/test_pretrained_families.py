"""The families whose largest subnet is a network with published weights."""

from __future__ import annotations

import pytest

from optuna_ofa.costs import layer_macs, layer_params
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
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


def test_one_kernel_or_depth_for_all_is_the_next_smaller_where_it_is_not_offered() -> None:
    space = SearchSpace("efficientnet_lite0")
    subnet = space.subnet(kernel=5, depth=3)
    assert subnet.depth == (2, 2, 3, 3, 3, 1)
    kernels = [k for k, active in zip(subnet.kernel, subnet.active, strict=True) if active]
    assert kernels == [3] * 2 + [5] * 2 + [3] * 3 + [5] * 6 + [3]
    with pytest.raises(InvalidSubnetError, match=r"`kernel\[0\]` must be one of \(3,\), but got 7"):
        space.subnet(kernel=7)
    with pytest.raises(
        InvalidSubnetError, match=r"`depth\[0\]` must be one of \(1, 2\), but got 9"
    ):
        space.subnet(depth=9)
    with pytest.raises(InvalidSubnetError, match=r"`kernel\[0\]` must be one of \(3,\), but got 5"):
        space.subnet(kernel=[5] * 15)


def test_a_kernel_is_restricted_where_there_are_several() -> None:
    space = SearchSpace("efficientnet_lite0").restrict(kernel=5)
    kernels = {choices for name, choices in space.choices.items() if name.endswith("kernel")}
    assert kernels == {(3,), (5,)}
    with pytest.raises(InvalidArgumentError, match=r"`kernel` must be among \[3, 5\], but got \[7"):
        SearchSpace("efficientnet_b0").restrict(kernel=7)
    assert SearchSpace("mobilenet_v2").restrict(kernel=3) == SearchSpace("mobilenet_v2")


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_share_or_ratio_gives_another_width(name: str) -> None:
    space = SearchSpace(name)
    widths = [
        [layer.mid_channels for layer in subnet_layers(space.subnet(expand=ratio))]
        for ratio in space.family.expands
    ]
    for of_layer, largest in zip(
        zip(*widths, strict=True), subnet_layers(space.largest()), strict=True
    ):
        if largest.expands:
            assert list(of_layer) == sorted(set(of_layer))
            assert of_layer[-1] == largest.mid_channels

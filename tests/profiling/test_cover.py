"""Networks that hold every layer of a space."""

from __future__ import annotations

from collections import Counter

import pytest

from optuna_ofa.profiling._cover import covering_subnets, signatures, space_at
from optuna_ofa.space import SearchSpace, families, subnet_layers

SPACES = {family.name: SearchSpace(family) for family in families()}
RESTRICTED = SearchSpace("ofa_mbv3_w1.2").restrict(kernel=[3, 7], depth=[2, 3])


@pytest.mark.parametrize(
    ("name", "n_layers", "n_networks"),
    [("ofa_mbv3_w1.0", 96, 9), ("ofa_proxyless_w1.3", 104, 9), ("ofa_resnet50", 163, 27)],
)
def test_few_networks_hold_every_layer(name: str, n_layers: int, n_networks: int) -> None:
    space = SPACES[name]
    wanted = signatures(space_at(space, 160))
    subnets = covering_subnets(space, 160)
    assert (len(wanted), len(subnets)) == (n_layers, n_networks)
    assert {layer for s in subnets for layer in subnet_layers(s)} == set(wanted)


def test_every_place_has_every_setting_once() -> None:
    space = SPACES["ofa_mbv3_w1.0"]
    subnets = covering_subnets(space, 224)
    for block in range(space.family.n_blocks):
        settings = Counter((s.kernel[block], s.expand[block]) for s in subnets)
        assert set(settings.values()) == {1}
        assert len(settings) == 9


def test_networks_belong_to_a_restricted_space() -> None:
    subnets = covering_subnets(RESTRICTED, 192)
    assert all(subnet in RESTRICTED for subnet in subnets)
    assert {layer for s in subnets for layer in subnet_layers(s)} == set(
        signatures(space_at(RESTRICTED, 192))
    )


def test_sizes_outside_of_the_space_are_allowed() -> None:
    subnets = covering_subnets(RESTRICTED, 96)
    assert {s.resolution for s in subnets} == {96}

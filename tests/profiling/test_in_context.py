"""Layers alone, corrected by whole networks."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.profiling._cover import covering_subnets, signatures
from optuna_ofa.profiling._in_context import in_context
from optuna_ofa.space import Layer, SearchSpace, subnet_layers

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)


@pytest.fixture(scope="module")
def networks() -> list[tuple[Layer, ...]]:
    return [subnet_layers(subnet) for subnet in covering_subnets(SPACE, 224)]


@pytest.fixture(scope="module")
def true(networks: list[tuple[Layer, ...]]) -> dict[Layer, float]:
    rng = np.random.default_rng(0)
    return {layer: rng.uniform(0.1, 3) for layer in signatures(SPACE)}


def test_nothing_is_corrected_where_all_adds_up(
    networks: list[tuple[Layer, ...]], true: dict[Layer, float]
) -> None:
    wholes = [(layers, sum(true[layer] for layer in layers)) for layers in networks]
    assert in_context(true, wholes) == pytest.approx(true, rel=1e-9)


def test_without_whole_networks_nothing_is_corrected(true: dict[Layer, float]) -> None:
    assert in_context(true, []) == true


def test_a_layer_that_is_much_slower_alone_is_found(
    networks: list[tuple[Layer, ...]], true: dict[Layer, float]
) -> None:
    wholes = [(layers, sum(true[layer] for layer in layers)) for layers in networks]
    slow = max(true, key=lambda layer: true[layer])
    alone = {**true, slow: 4 * true[slow]}
    errors = {layer: abs(ms - true[layer]) for layer, ms in in_context(alone, wholes).items()}
    assert errors[slow] < 0.2 * (alone[slow] - true[slow])
    assert np.mean(list(errors.values())) < 0.5 * 3 * true[slow] / len(true)


@pytest.mark.parametrize(
    ("call", "cold"), [(0.05, 0.0), (0.0, 1.0)], ids=["calls", "caches"]
)
def test_what_belongs_to_no_layer_goes_where_every_network_has_it(
    call: float, cold: float, networks: list[tuple[Layer, ...]], true: dict[Layer, float]
) -> None:
    alone = {layer: ms + call for layer, ms in true.items()}
    wholes = [(ls, sum(true[layer] for layer in ls) + call + cold) for ls in networks]
    corrected = in_context(alone, wholes)
    small = subnet_layers(SPACE.smallest())
    known = [layer for layer in small if layer in corrected]
    before = sum(alone[layer] for layer in known)
    after = sum(corrected[layer] for layer in known)
    expected = sum(true[layer] for layer in known) + call + cold
    assert abs(after - expected) < 0.35 * abs(before - expected)


def test_latencies_stay_positive(
    networks: list[tuple[Layer, ...]], true: dict[Layer, float]
) -> None:
    wholes = [(layers, 1e-3) for layers in networks]
    corrected = in_context(true, wholes)
    assert all(corrected[layer] >= ms / 10 for layer, ms in true.items())

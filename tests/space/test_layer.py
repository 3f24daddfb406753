"""Layers in files."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from optuna_ofa.exceptions import FormatError
from optuna_ofa.space import Layer, SearchSpace, known_families, layer_from_dict, subnet_layers

BLOCK = Layer("block", "basic", 16, 32, 32, 16, 16, 3, 2, 0.5, "relu", downsample="pad")


@pytest.mark.parametrize("family", known_families(), ids=lambda family: family.name)
def test_layers_are_read_back(family: Any) -> None:
    for layer in subnet_layers(SearchSpace(family).largest()):
        assert layer_from_dict(asdict(layer)) == layer


def test_a_layer_of_an_older_file_has_the_defaults() -> None:
    layer = replace(BLOCK, downsample="avg_pool")
    data = asdict(layer)
    del data["downsample"]
    assert layer_from_dict(data) == layer


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "dense"}, "`kind` of a layer must be one of conv, .* but is 'dense'"),
        ({"downsample": "zeros"}, "`downsample` of a layer must be one of avg_pool, conv, pad"),
        ({"out_channels": 8}, "must not lose channels"),
        ({"shortcut": True}, "A layer with a shortcut must keep its shape"),
        ({"kernel": 99}, "`kernel` of a layer must be"),
        ({"use_se": 1}, "`use_se` of a layer must be bool, but is 1"),
        ({"depth": 1}, "A layer must have the fields of one"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_layer_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        layer_from_dict({**asdict(BLOCK), **changes})


@pytest.mark.parametrize(
    ("family", "ratios"),
    [
        ("resnet50", {0.125, 0.1875, 0.25}),
        ("ofa_resnet50", {0.2, 0.25, 0.35}),
        ("resnet20_cifar10", {0.25, 0.5, 0.75, 1}),
    ],
)
def test_the_ratio_of_a_block_is_relative_to_its_output(family: str, ratios: set[float]) -> None:
    space = SearchSpace(family)
    blocks = [
        layer
        for expand in space.family.expands
        for layer in subnet_layers(space.subnet(expand=expand))
        if layer.role == "block"
    ]
    assert {layer.ratio for layer in blocks} == ratios

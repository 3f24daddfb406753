"""The keys of layers in tables of our own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optuna_ofa.predictors import LAYERS
from optuna_ofa.space import SearchSpace, known_families, subnet_layers

BLOCK = subnet_layers(SearchSpace("ofa_mbv3_w1.0").largest())[6]
STEM = subnet_layers(SearchSpace("ofa_mbv3_w1.0").largest())[0]


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"act": "silu"}, "act:silu"),
        ({"use_se": False}, "se:0"),
        ({"use_se": True, "squeeze": "input"}, "squeeze:input"),
        ({"padding": "same"}, "padding:same"),
    ],
    ids=str,
)
def test_a_block_that_differs_has_a_key_of_its_own(changes: dict[str, Any], added: str) -> None:
    keys = [LAYERS.key(layer, 1000) for layer in (BLOCK, replace(BLOCK, **changes))]
    assert keys[0] != keys[1]
    assert added in str(keys[1])
    assert added not in str(keys[0])


def test_a_stem_that_differs_has_a_key_of_its_own() -> None:
    stem = "stem-input:224x224x3-output:112x112x16"
    assert LAYERS.key(STEM, 1000) == stem
    assert LAYERS.key(replace(STEM, padding="same"), 1000) == f"{stem}-padding:same"


@pytest.mark.parametrize("family", known_families(), ids=lambda family: family.name)
def test_layers_of_a_family_with_one_key_are_equal_up_to_what_does_not_affect_the_time(
    family: Any,
) -> None:
    space = SearchSpace(family).restrict(resolution=family.resolutions[-1])
    found: dict[Any, Any] = {}
    for subnet in (space.smallest(), space.largest(), *space.from_matrix(space.sample(20, seed=0))):
        for layer in subnet_layers(subnet):
            key = LAYERS.key(layer, family.head.n_classes)
            # a share or ratio is in the middle channels
            assert found.setdefault(key, replace(layer, expand=0)) == replace(layer, expand=0)
    assert family.architecture in LAYERS.architectures

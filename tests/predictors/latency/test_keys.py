"""The keys of layers in tables of this package."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optuna_ofa.predictors.latency._dialects import LAYERS
from optuna_ofa.profiling._cover import signatures
from optuna_ofa.space import Layer, SearchSpace, known_families

BLOCK = Layer("block", "bottleneck", 64, 256, 56, 28, 64, 3, 2, 0.25, "relu")


@pytest.mark.parametrize("family", known_families(), ids=lambda family: family.name)
def test_layers_that_differ_have_keys_of_their_own(family: object) -> None:
    space = SearchSpace(family)  # type: ignore[arg-type]
    space = space.restrict(resolution=space.resolutions[-1])
    # the middle channels are in the key, whatever ratio gave them
    different = {replace(layer, expand=0) for layer in signatures(space)}
    keys = {LAYERS.key(layer, space.family.head.n_classes) for layer in signatures(space)}
    assert len(keys) == len(different)


def test_a_usual_layer_has_the_key_that_it_always_had() -> None:
    assert LAYERS.key(BLOCK, 1000) == (
        "block-input:56x56x64-output:28x28x256-kind:bottleneck-mid:64-kernel:3-stride:2-idskip:0-"
        "se:0-act:relu"
    )


@pytest.mark.parametrize("downsample", ["conv", "pad"])
def test_another_shortcut_is_in_the_key(downsample: str) -> None:
    key = LAYERS.key(replace(BLOCK, downsample=downsample), 1000)  # type: ignore[arg-type]
    assert key == f"{LAYERS.key(BLOCK, 1000)}-downsample:{downsample}"


def test_the_kernel_of_a_stem_is_in_the_key_where_it_is_not_three() -> None:
    stem = Layer("stem", "conv", 3, 64, 224, 112, kernel=3, stride=2, act="relu")
    plain, large = (LAYERS.key(replace(stem, kernel=k), 1000) for k in (3, 7))
    assert plain == "stem-input:224x224x3-output:112x112x64"
    assert large == f"{plain}-kernel:7"

"""The few physical terms of a device."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors.latency._device_terms import DeviceTerms

FAMILIES = [
    "ofa_mbv3_w1.0",
    "ofa_mbv3_fashion",
    "ofa_proxyless_w1.3",
    "ofa_resnet50",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_term_is_negative_or_zero_everywhere(family: str) -> None:
    space = SearchSpace(family)
    terms = DeviceTerms(space)
    amounts = terms(space.sample(50, seed=0))
    assert amounts.shape == (50, len(terms.names)) == (50, len(terms.units))
    assert (amounts >= 0).all()
    assert (amounts.max(axis=0) > 0).all()


def test_a_family_has_only_the_terms_that_its_layers_have() -> None:
    names = set(DeviceTerms(SearchSpace("ofa_resnet50")).names)
    assert not names & {"squeeze-excite", "h-swish", "depthwise multiply-adds"}
    assert {"blocks", "multiply-adds"} <= names


@pytest.mark.parametrize("family", FAMILIES)
def test_the_terms_count_what_their_names_say(family: str) -> None:
    space = SearchSpace(family)
    terms = DeviceTerms(space)
    matrix = space.sample(50, seed=0)
    amounts = dict(zip(terms.names, terms(matrix).T, strict=True))
    macs = amounts["multiply-adds"] + amounts.get("depthwise multiply-adds", 0)
    np.testing.assert_allclose(macs * 1e8, CostPredictor("n_macs", space).predict(matrix))
    moved = 4 * (amounts["activations"] + amounts["weights"])
    np.testing.assert_allclose(moved, CostPredictor("moved_mb", space).predict(matrix))


@pytest.mark.parametrize("family", FAMILIES)
def test_simpler_models_have_fewer_prices_for_the_same_terms(family: str) -> None:
    terms = DeviceTerms(SearchSpace(family))
    every, fewer, fewest = terms.merges
    assert every.shape == (len(terms.names),) * 2
    assert every.shape[1] > fewer.shape[1] >= fewest.shape[1] >= 3
    assert (fewer.sum(axis=1) <= 1).all()
    both = [terms.names.index(name) for name in ("multiply-adds", "activations")]
    assert (fewest[both].sum(axis=1) == 1).all()

"""Where families and their weights come from."""

from __future__ import annotations

import pytest

from optuna_ofa import Supernet, published
from optuna_ofa.data import packaged_supernet
from optuna_ofa.space import Family, family_source, known_families


@pytest.mark.parametrize("family", known_families(), ids=lambda family: family.name)
def test_every_known_family_has_a_source_and_weights(family: Family) -> None:
    source = family_source(family.name)
    assert source is not None
    assert source.paper
    assert source.weights or family.name.startswith("microcontroller_w")
    assert all(weights.name and weights.licence for weights in source.weights)


def test_published_weights_have_the_licence_of_their_file() -> None:
    offered = {f.name: f.licence for f in published() if f.name in f.supernets}
    said = {
        family.name: weights.licence
        for family in known_families()
        for weights in getattr(family_source(family.name), "weights", ())
        if weights.name == "published"
    }
    assert said == offered


def test_packaged_weights_are_in_the_package() -> None:
    for family in known_families():
        source = family_source(family.name)
        if source is not None and "packaged" in [weights.name for weights in source.weights]:
            assert isinstance(packaged_supernet(family.name), Supernet)


def test_a_custom_family_has_none() -> None:
    assert family_source("mine") is None

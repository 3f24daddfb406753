"""The families for microcontrollers: small networks of operators that all of them have."""

from __future__ import annotations

import pytest

from optuna_ofa.costs import layer_params
from optuna_ofa.space import SearchSpace, get_family, subnet_layers
from optuna_ofa.space._microcontroller_families import microcontroller_families

NAMES = [family.name for family in microcontroller_families()]
# thousands of parameters of the smallest and the largest subnet, of them in the classifier
SIZES = {
    "microcontroller_fashion": (30.010, 298.906, 1.130),
    "microcontroller_w0.35": (142.168, 411.064, 113.0),
    "microcontroller_w0.5": (216.72, 691.144, 161.0),
    "microcontroller_w0.75": (363.144, 1310.328, 241.0),
    "microcontroller_w1.0": (522.344, 2028.072, 321.0),
}


@pytest.mark.parametrize("name", NAMES)
def test_they_have_relu6_and_no_squeeze_and_excitation(name: str) -> None:
    layers = subnet_layers(SearchSpace(name).largest())
    assert {layer.act for layer in layers if layer.kind in ("conv", "mbconv")} == {"relu6"}
    assert not any(layer.use_se for layer in layers)


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name: str) -> None:
    space = SearchSpace(name)
    ends = [subnet_layers(subnet) for subnet in (space.smallest(), space.largest())]
    found = [sum(map(layer_params, layers)) / 1e3 for layers in ends]
    assert (*found, layer_params(ends[0][-1]) / 1e3) == pytest.approx(SIZES[name])


def test_the_packaged_one_has_the_widths_of_its_name() -> None:
    trained, colour = map(get_family, NAMES[:2])
    assert (trained.stages, trained.stem) == (colour.stages, colour.stem)
    assert (trained.in_channels, trained.head.n_classes) == (1, 10)
    assert (colour.in_channels, colour.head.n_classes) == (3, 1000)

"""Every subnet computes what the ``ofa`` package computes with the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import save_supernet

FAMILIES = ("ofa_mbv3_w1.0", "ofa_mbv3_w1.2", "ofa_proxyless_w1.3", "ofa_resnet50")
RESOLUTIONS = (96, 128)

pytestmark = pytest.mark.parametrize("family_name", FAMILIES)


@torch.no_grad()
def relative_difference(
    ours: nn.Module, theirs: nn.Module, resolution: int, dtype: torch.dtype = torch.float32
) -> float:
    """Largest difference of the logits, relative to the largest logit."""
    generator = torch.Generator().manual_seed(resolution)
    images = torch.randn(1, 3, resolution, resolution, generator=generator, dtype=dtype)
    expected: Tensor = theirs(images)
    return float((ours(images) - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("extreme", ["smallest", "largest"])
def test_extreme_subnet_equals_reference(
    pair: Any, reference: ModuleType, family_name: str, extreme: str, resolution: int
) -> None:
    subnet: Subnet = getattr(SearchSpace(family_name), extreme)()
    pair.ours.activate(subnet)
    reference.set_reference(pair.theirs, subnet)
    assert relative_difference(pair.ours, pair.theirs, resolution) < 1e-5


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_random_subnets_equal_reference(
    pair: Any,
    reference: ModuleType,
    draw: Callable[..., list[Subnet]],
    family_name: str,
    resolution: int,
) -> None:
    differences = {}
    for subnet in draw(family_name, 50):
        pair.ours.activate(subnet)
        reference.set_reference(pair.theirs, subnet)
        differences[str(subnet)] = relative_difference(pair.ours, pair.theirs, resolution)
    assert max(differences.values()) < 1e-5, max(differences, key=differences.__getitem__)


def test_extracted_weights_load_into_the_static_reference(
    pair: Any, reference: ModuleType, draw: Callable[..., list[Subnet]], family_name: str
) -> None:
    for subnet in [SearchSpace(family_name).smallest(), *draw(family_name, 5, seed=1)]:
        reference.set_reference(pair.theirs, subnet)
        static = pair.theirs.get_active_subnet(preserve_weight=False).eval()
        extracted = pair.ours.extract(subnet)
        static.load_state_dict(extracted.state_dict())
        assert relative_difference(extracted, static, 96) < 1e-5


def test_extracted_weights_load_into_a_reference_built_from_its_config(
    pair: Any, reference: ModuleType, draw: Callable[..., list[Subnet]], family_name: str
) -> None:
    (subnet,) = draw(family_name, 1, seed=2)
    reference.set_reference(pair.theirs, subnet)
    config = pair.theirs.get_active_subnet(preserve_weight=False).config
    networks = reference.import_reference(reference.STATIC_NETWORKS)
    static = networks.get_net_by_name(config["name"]).build_from_config(config).eval()
    extracted = pair.ours.extract(subnet)
    static.load_state_dict(extracted.state_dict())
    assert relative_difference(extracted, static, 96) < 1e-5


def test_extreme_subnet_equals_reference_in_double_precision(
    pair: Any, reference: ModuleType, family_name: str
) -> None:
    subnet = SearchSpace(family_name).largest()
    reference.set_reference(pair.theirs, subnet)
    ours, theirs = copy.deepcopy(pair.ours).double(), copy.deepcopy(pair.theirs).double()
    assert relative_difference(ours, theirs, 96, torch.float64) < 1e-12


def test_training_mode_moves_the_running_statistics_of_the_reference(
    pair: Any,
    reference: ModuleType,
    draw: Callable[..., list[Subnet]],
    family_name: str,
    tmp_path: Path,
) -> None:
    (subnet,) = draw(family_name, 1, seed=3)
    ours, theirs = copy.deepcopy(pair.ours).double(), copy.deepcopy(pair.theirs).double()
    ours.activate(subnet)
    reference.set_reference(theirs, subnet)
    images = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        ours.train()(images)
        theirs.train()(images)
    save_supernet(ours, tmp_path / "ours.pth")
    state = torch.load(tmp_path / "ours.pth")["state_dict"]
    torch.testing.assert_close(state, dict(theirs.state_dict()))
    assert any(
        not torch.equal(tensor, pair.theirs.state_dict()[key]) for key, tensor in state.items()
    )

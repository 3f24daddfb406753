"""Weights that are not those of the family: refused with the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from optuna_ofa import SearchSpace, Supernet, load_supernet, save_supernet, supernet_from
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import get_family, mobilenet_v3_small_images

NAME = "ofa_mbv3_fashion"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def whole() -> State:
    """The state dict of a network with the keys of this package."""
    net = Supernet(NAME).extract(SearchSpace(NAME).largest())
    return dict(net.state_dict())


def test_missing_keys(whole: State) -> None:
    state = {k: t for k, t in whole.items() if not k.startswith("blocks.2.conv.depth_conv.conv")}
    message = r"1 missing \(`blocks\.2\.conv\.depth_conv\.conv\.weight`\)"
    with pytest.raises(FamilyMismatchError, match=rf"must be those of {NAME}, but .*{message}"):
        supernet_from(state, NAME)


def test_unexpected_keys(whole: State) -> None:
    with pytest.raises(FamilyMismatchError, match=r"1 unexpected \(`extra\.weight`\)"):
        supernet_from({**whole, "extra.weight": torch.zeros(2)}, NAME)


def test_shapes_of_another_width() -> None:
    family = mobilenet_v3_small_images("wide", width=2, in_channels=1)
    net = Supernet(family).extract(SearchSpace(family).largest())
    message = r"of another shape \(`first_conv\.conv\.weight` has \(32, 1, 3, 3\) where \(16, 1,"
    with pytest.raises(FamilyMismatchError, match=message):
        supernet_from(net.state_dict(), NAME)


def test_the_family_that_fits_is_named(whole: State) -> None:
    with pytest.raises(FamilyMismatchError, match=rf"those of resnet50, .* looks like {NAME}: "):
        supernet_from(whole, "resnet50")


def test_counts_of_batches_may_be_missing(whole: State) -> None:
    state = {k: t for k, t in whole.items() if not k.endswith("num_batches_tracked")}
    assert supernet_from(state, NAME).family.name == NAME


def test_a_supernet_is_refused(tmp_path: Path) -> None:
    save_supernet(load_supernet(NAME), tmp_path / "s.pth")
    with pytest.raises(FamilyMismatchError, match=r"those of a supernet, which `load_supernet`"):
        supernet_from(tmp_path / "s.pth", NAME)


def test_elastic_networks_of_the_ofa_package_are_accepted(tmp_path: Path) -> None:
    save_supernet(load_supernet(NAME), tmp_path / "s.pth")
    state = torch.load(tmp_path / "s.pth", weights_only=True)["state_dict"]
    state = {
        key.replace(".conv.inverted", ".mobile_inverted_conv.inverted"): tensor
        for key, tensor in state.items()
        if "_matrix" not in key
    }
    assert supernet_from(state, NAME).family.name == NAME


@pytest.mark.parametrize("is_old", [False, True], ids=["zip", "pickle"])
def test_a_network_is_no_family_and_no_supernet(whole: State, is_old: bool, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(whole, path, _use_new_zipfile_serialization=not is_old)
    advice = "become a supernet by `supernet_from`"
    with pytest.raises(FormatError, match=f"w.pth holds none; .*{advice}"):
        get_family(path)
    with pytest.raises(InvalidArgumentError, match=f"w.pth, but got None; .*{advice}"):
        load_supernet(path)
    torch.save({f"features.{key}": tensor for key, tensor in whole.items()}, path)
    with pytest.raises(FamilyMismatchError, match=f"is of no published family: .*{advice}"):
        load_supernet(NAME, weights=path)


def test_an_unknown_network_needs_a_family(whole: State) -> None:
    state = {k: t for k, t in whole.items() if not k.startswith("blocks.1.")}
    message = rf"`family` must be given where no known family fits.*closest to {NAME}.*missing"
    with pytest.raises(FamilyMismatchError, match=message):
        supernet_from(state)


class TestClasses:
    def test_another_number_is_refused(self, whole: State) -> None:
        state: dict[str, Any] = {**whole, "classifier.linear.weight": torch.zeros(7, 256)}
        state["classifier.linear.bias"] = torch.zeros(7)
        message = (
            r"must have 10 classes as .*`classifier\.linear\.weight` of the state dict has 7; "
            "`n_classes=7` keeps them, and `n_classes=10` replaces"
        )
        with pytest.raises(FamilyMismatchError, match=message):
            supernet_from(state, NAME)

    def test_they_are_kept_or_replaced_on_request(self, whole: State) -> None:
        kept = supernet_from(whole, NAME, n_classes=10)
        assert kept.family == get_family(NAME)
        assert torch.equal(
            kept.state_dict()["classifier.linear.bias"], whole["classifier.linear.bias"]
        )
        new = supernet_from(whole, NAME, n_classes=7).eval()
        assert new.family.name == f"{NAME}_7_classes"
        assert new(torch.zeros(2, 1, 28, 28)).shape == (2, 7)
        body, theirs = new.state_dict(), kept.state_dict()
        assert all(torch.equal(t, theirs[k]) for k, t in body.items() if "classifier" not in k)

    def test_those_of_the_weights_can_be_kept(self, whole: State) -> None:
        seven = supernet_from(whole, NAME, n_classes=7)
        net = seven.extract(SearchSpace(seven.family).largest())
        found = supernet_from(net.state_dict(), NAME, n_classes=7)
        assert found.family == seven.family
        bias = "classifier.linear.bias"
        assert torch.equal(found.state_dict()[bias], net.state_dict()[bias])

    def test_a_new_classifier_is_seeded(self, whole: State) -> None:
        def bias(seed: int) -> Tensor:
            found = supernet_from(whole, NAME, n_classes=7, seed=seed)
            return found.state_dict()["classifier.linear.bias"]

        before = torch.get_rng_state()
        assert torch.equal(bias(1), bias(1))
        assert not torch.equal(bias(1), bias(2))
        assert torch.equal(torch.get_rng_state(), before)

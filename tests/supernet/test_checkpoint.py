"""Checkpoints: the published formats in, the published format out, and what is refused."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import SearchSpace, get_family, mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet, load_supernet, save_supernet

FAMILIES = ("ofa_mbv3_w1.0", "ofa_proxyless_w1.3", "ofa_resnet50")
every_family = pytest.mark.parametrize("family_name", FAMILIES)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], Path]:
    """Save anything with ``torch.save``."""

    def save(content: Any) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        return path

    return save


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(get_family("ofa_mbv3_w1.0"))


def assert_same_weights(left: Supernet, right: Supernet) -> None:
    torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)


@every_family
def test_bare_published_state_dict_loads(
    pair: Any, family_name: str, saved: Callable[[Any], Path]
) -> None:
    loaded = load_supernet(family_name, weights=saved(dict(pair.theirs.state_dict())))
    assert_same_weights(loaded, pair.ours)


@pytest.mark.parametrize("family_name", FAMILIES[:2])
def test_older_released_names_load(
    pair: Any, family_name: str, saved: Callable[[Any], Path]
) -> None:
    older = {
        re.sub(r"^(blocks\.\d+)\.conv\.", r"\1.mobile_inverted_conv.", key): tensor
        for key, tensor in pair.theirs.state_dict().items()
    }
    assert "blocks.1.mobile_inverted_conv.depth_conv.conv.conv.weight" in older
    loaded = load_supernet(family_name, weights=saved({"state_dict": older}))
    assert_same_weights(loaded, pair.ours)


@every_family
def test_own_state_dict_loads(pair: Any, family_name: str, saved: Callable[[Any], Path]) -> None:
    loaded = load_supernet(family_name, weights=saved(pair.ours.state_dict()))
    assert_same_weights(loaded, pair.ours)


@every_family
def test_saved_checkpoint_has_the_published_keys_and_weights(
    pair: Any, family_name: str, tmp_path: Path
) -> None:
    save_supernet(pair.ours, tmp_path / "own.pth")
    content = torch.load(tmp_path / "own.pth", weights_only=True)
    assert sorted(content) == ["dropout", "family", "state_dict"]
    expected = dict(pair.theirs.state_dict())
    torch.testing.assert_close(dict(content["state_dict"]), expected, rtol=0, atol=0)


@every_family
def test_saved_checkpoint_loads_into_the_reference(
    pair: Any, reference: Any, family_name: str, tmp_path: Path
) -> None:
    save_supernet(pair.ours, tmp_path / "own.pth")
    other = reference.reference_supernet(get_family(family_name), seed=2)
    other.load_state_dict(torch.load(tmp_path / "own.pth", weights_only=True)["state_dict"])
    torch.testing.assert_close(other.state_dict(), pair.theirs.state_dict(), rtol=0, atol=0)


def test_saved_checkpoint_loads_back(supernet: Supernet, tmp_path: Path) -> None:
    save_supernet(supernet, tmp_path / "own.pth")
    assert_same_weights(load_supernet("ofa_mbv3_w1.0", weights=tmp_path / "own.pth"), supernet)


def test_published_name_and_string_path_are_accepted(supernet: Supernet, tmp_path: Path) -> None:
    path = str(tmp_path / "own.pth")
    save_supernet(supernet, path)
    assert_same_weights(load_supernet("ofa_mbv3_d234_e346_k357_w1.0", weights=path), supernet)


def test_own_family_loads_back(tmp_path: Path) -> None:
    published = get_family("ofa_mbv3_w1.0")
    family = replace(published, name="own", head=replace(published.head, n_classes=10))
    supernet = Supernet(family)
    save_supernet(supernet, tmp_path / "own.pth")
    assert_same_weights(load_supernet(family, weights=tmp_path / "own.pth"), supernet)


def test_without_weights_they_are_random() -> None:
    loaded = load_supernet("ofa_mbv3_w1.0", dropout=0.2)
    assert loaded.active == SearchSpace("ofa_mbv3_w1.0").largest()
    assert loaded.dropout == 0.2


def test_save_leaves_no_temporary_file(supernet: Supernet, tmp_path: Path) -> None:
    save_supernet(supernet, tmp_path / "own.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["own.pth"]


def test_failed_save_leaves_the_older_file(
    supernet: Supernet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Path.write_bytes

    def fail(self: Path, content: bytes) -> int:
        write(self, content[:4])
        raise OSError("disk full")

    (tmp_path / "own.pth").write_text("older")
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_supernet(supernet, tmp_path / "own.pth")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"older"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (
            "ofa_mbv3_w1.2",
            r"must be of ofa_mbv3_w1\.2, but .*weights\.pth looks like ofa_mbv3_w1\.0: "
            r".*`first_conv\.conv\.weight` has shape \(16, 3, 3, 3\) where ofa_mbv3_w1\.2 needs "
            r"\(24, 3, 3, 3\)",
        ),
        ("ofa_proxyless_w1.3", r"looks like ofa_mbv3_w1\.0: .* missing \(.*; \d+ unexpected \("),
        ("ofa_resnet50", r"looks like ofa_mbv3_w1\.0: .* missing \(`input_stem\.0\.conv"),
    ],
    ids=lambda value: value if value.startswith("ofa_") else "",
)
def test_weights_of_another_family_are_refused(
    supernet: Supernet, saved: Callable[[Any], Path], wanted: str, words: str
) -> None:
    path = saved(supernet.state_dict())
    with pytest.raises(FamilyMismatchError, match=words):
        load_supernet(wanted, weights=path)


def test_incomplete_weights_are_refused(supernet: Supernet, saved: Callable[[Any], Path]) -> None:
    state = supernet.state_dict()
    del state["classifier.linear.bias"]
    words = r"of no published family: 1 missing \(`classifier\.linear\.bias`\)\."
    with pytest.raises(FamilyMismatchError, match=words):
        load_supernet("ofa_mbv3_w1.0", weights=saved(state))


def test_truncated_file_is_refused(supernet: Supernet, tmp_path: Path) -> None:
    save_supernet(supernet, tmp_path / "own.pth")
    content = (tmp_path / "own.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(content[: len(content) // 2])
    with pytest.raises(FormatError, match=r"`weights` must be a checkpoint.*half\.pth is cut off"):
        load_supernet("ofa_mbv3_w1.0", weights=tmp_path / "half.pth")
    with pytest.raises(FormatError, match=r"half\.pth is cut off"):
        load_supernet(tmp_path / "half.pth")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"`weights` must be a file, .*no\.pth does not exist"):
        load_supernet("ofa_mbv3_w1.0", weights=tmp_path / "no.pth")
    with pytest.raises(FormatError, match=r"`weights` must be a file, .* is a folder"):
        load_supernet("ofa_mbv3_w1.0", weights=tmp_path)


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"], ids=["empty", "a web page"])
def test_file_of_another_kind_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_bytes(content)
    with pytest.raises(FormatError, match=r"`weights` must be a checkpoint.*page\.pth"):
        load_supernet("ofa_mbv3_w1.0", weights=tmp_path / "page.pth")


def test_pickled_module_is_refused(saved: Callable[[Any], Path]) -> None:
    expected = r"must be a checkpoint of tensors.* objects of the class torch.*Linear"
    with pytest.raises(FormatError, match=expected) as caught:
        load_supernet("ofa_mbv3_w1.0", weights=saved(torch.nn.Linear(1, 1)))
    shown = "".join(traceback.format_exception(caught.value))
    assert "weights_only" not in shown  # torch advises to run the code in the file


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds list"),
        ({}, "holds no entry"),
        ({"state_dict": 3}, "holds int"),
        ({"epoch": 3}, "int at 'epoch'"),
    ],
    ids=["list", "empty", "number", "no tensor"],
)
def test_file_without_a_state_dict_is_refused(
    saved: Callable[[Any], Path], content: Any, words: str
) -> None:
    with pytest.raises(FormatError, match=f"`weights` must hold a state dict.*{words}"):
        load_supernet("ofa_mbv3_w1.0", weights=saved(content))


def test_unknown_family_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`family` must be one of .* got 'ofa_vit'"):
        load_supernet("ofa_vit")


class TestFamilyOfOnesOwn:
    OWN = mobilenet_v3_small_images("mine", width=0.5)

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        save_supernet(Supernet(self.OWN, dropout=0.25), tmp_path / "mine.pth")
        return tmp_path / "mine.pth"

    def test_the_file_is_enough(self, path: Path) -> None:
        first, second = load_supernet(path), load_supernet(weights=str(path))
        assert first.family == second.family == get_family(path) == self.OWN
        assert first.dropout == second.dropout == 0.25
        assert_same_weights(first, second)
        assert load_supernet(self.OWN, weights=path, dropout=0.0).dropout == 0

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"bn_eps": 1e-3}, "bn_eps: 1e-05 in the file, 0.001 in the family"),
            ({"name": "yours"}, "name: mine in the file, yours in the family"),
            (
                {"head": replace(OWN.head, act="relu")},
                "act of the head: h_swish in the file, relu in the family",
            ),
        ],
        ids=["bn_eps", "name", "act"],
    )
    def test_another_table_is_refused(
        self, path: Path, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(FamilyMismatchError, match=message):
            load_supernet(replace(self.OWN, **changes), weights=path)

    def test_a_file_without_a_family_needs_one(self, saved: Callable[[Any], Path]) -> None:
        path = saved(Supernet(self.OWN).state_dict())
        with pytest.raises(InvalidArgumentError, match="`family` must be a family where"):
            load_supernet(weights=path)
        assert load_supernet(self.OWN, weights=path).family == self.OWN

    def test_a_family_needs_a_name_or_weights(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`family` must be a family where `weights`"):
            load_supernet()

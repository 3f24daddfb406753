"""Weights by name in `load_supernet`, downloaded from a server on this machine."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from optuna_ofa._digests import file_digest
from optuna_ofa._published import PUBLISHED, PublishedFile
from optuna_ofa.exceptions import (
    DownloadError,
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
)
from optuna_ofa.space import SearchSpace, get_family, mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet, load_supernet, save_supernet

NAME = "ofa_mbv3_w1.0"
FILE = "ofa_mbv3_d234_e346_k357_w1.0"
WEIGHTS = "optuna_ofa.supernet._published_weights.PUBLISHED"


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(get_family(NAME))


class Publisher:
    """Puts files on the server, and their digests into the registry.

    Args:
        server: The server.
        monkeypatch: Of the test.
    """

    def __init__(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self._monkeypatch = server, monkeypatch
        self._files = {
            file.name: replace(file, url=f"{server.address}/{file.file_name}")
            for file in PUBLISHED
            if file.kind in ("weights", "network")
        }
        self._publish()

    def __call__(self, name: str, content: Any) -> PublishedFile:
        """Publish a content for `torch.save`, or bytes."""
        file = self._files[name]
        path = self.server.folder / file.file_name
        path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
        self._files[name] = replace(file, sha256="", git_blob=file_digest(path, "Git blob"))
        self._publish()
        return self._files[name]

    def _publish(self) -> None:
        self._monkeypatch.setattr(WEIGHTS, tuple(self._files.values()))


@pytest.fixture
def publish(
    file_server: Any, download_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Publisher:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return Publisher(file_server, monkeypatch)


def assert_same_weights(left: Supernet, right: Supernet) -> None:
    torch.testing.assert_close(left.state_dict(), right.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("family", "weights"),
    [(NAME, "published"), (FILE, "published"), (NAME, FILE), (None, NAME)],
    ids=["published", "long name of the family", "name of the file", "no family"],
)
def test_published_weights_load(
    publish: Publisher, supernet: Supernet, family: str | None, weights: str
) -> None:
    publish(NAME, {"state_dict": supernet.state_dict()})
    assert_same_weights(load_supernet(family, weights=weights), supernet)
    assert_same_weights(load_supernet(family, weights=weights), supernet)
    assert publish.server.requests == [f"/{FILE}"]


def test_a_family_itself_will_do(publish: Publisher, supernet: Supernet) -> None:
    publish(NAME, supernet.state_dict())
    assert_same_weights(load_supernet(get_family(NAME), weights="published"), supernet)


class TestStage:
    """The largest network alone: it has no transform matrices."""

    @pytest.fixture
    def largest(self, supernet: Supernet) -> dict[str, torch.Tensor]:
        return {k: v for k, v in supernet.state_dict().items() if not k.endswith("_matrix")}

    def test_smaller_kernels_are_the_centres_of_larger_ones(
        self, publish: Publisher, supernet: Supernet, largest: dict[str, torch.Tensor]
    ) -> None:
        publish("ofa_D4_E6_K7", {"state_dict": largest})
        loaded = load_supernet(NAME, weights="ofa_D4_E6_K7")
        subnet = SearchSpace(NAME).largest()
        small = replace(subnet, kernel=tuple(3 if k else 0 for k in subnet.kernel))
        state = loaded.extract(small).state_dict()
        key = "blocks.1.conv.depth_conv.conv.weight"
        assert torch.equal(state[key], largest[key][:, :, 2:5, 2:5])
        ours, theirs = (net.extract(subnet).state_dict() for net in (loaded, supernet))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)

    @pytest.mark.parametrize("kernel", [7, 3])
    def test_it_equals_the_network_of_the_ofa_package(
        self, publish: Publisher, reference: ModuleType, kernel: int
    ) -> None:
        networks = reference.import_reference()
        choices = {"width_mult": 1.0, "depth_list": [4], "expand_ratio_list": [6]}
        torch.manual_seed(1)
        teacher = networks.OFAMobileNetV3(ks_list=[7], **choices)
        reference.randomise(teacher)
        theirs = networks.OFAMobileNetV3(ks_list=[3, 5, 7], **choices).eval()
        theirs.load_state_dict({**theirs.state_dict(), **teacher.state_dict()})
        theirs.set_active_subnet(ks=kernel, e=6, d=4)

        publish("ofa_D4_E6_K7", {"epoch": 179, "state_dict": teacher.state_dict()})
        ours = load_supernet(NAME, weights="ofa_D4_E6_K7").eval()
        subnet = SearchSpace(NAME).largest()
        ours.activate(replace(subnet, kernel=tuple(min(k, kernel) for k in subnet.kernel)))
        images = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)

    def test_some_missing_matrices_are_refused(
        self, publish: Publisher, supernet: Supernet
    ) -> None:
        state = supernet.state_dict()
        del state["blocks.1.conv.depth_conv.conv.7to5_matrix"]
        publish("ofa_D4_E6_K7", state)
        with pytest.raises(FamilyMismatchError, match=r"1 missing \(`blocks\.1.*7to5_matrix`\)"):
            load_supernet(NAME, weights="ofa_D4_E6_K7")

    def test_another_family_is_refused_before_the_download(self, publish: Publisher) -> None:
        words = r"must be of ofa_mbv3_w1\.2, but ofa_D4_E6_K7 is of ofa_mbv3_w1\.0\."
        with pytest.raises(FamilyMismatchError, match=words):
            load_supernet("ofa_mbv3_w1.2", weights="ofa_D4_E6_K7")
        assert publish.server.requests == []


class TestRefused:
    def test_weights_of_another_family(self, publish: Publisher, supernet: Supernet) -> None:
        publish("ofa_mbv3_w1.2", supernet.state_dict())
        words = r"must be of ofa_mbv3_w1\.2, but .*k357_w1\.2 looks like ofa_mbv3_w1\.0: .* shape"
        with pytest.raises(FamilyMismatchError, match=words):
            load_supernet("ofa_mbv3_w1.2", weights="published")

    def test_a_pickle_with_code(self, publish: Publisher, tmp_path: Path) -> None:
        class Payload:
            def __reduce__(self) -> Any:
                return os.system, (f"touch {tmp_path}/ran",)

        publish(NAME, {"state_dict": Payload()})
        with pytest.raises(FormatError, match=f"must be a checkpoint of tensors, but .*{FILE}"):
            load_supernet(NAME, weights="published")
        assert not (tmp_path / "ran").exists()

    def test_what_is_no_checkpoint(self, publish: Publisher) -> None:
        publish(NAME, b"<html>")
        with pytest.raises(FormatError, match="must be a checkpoint of tensors"):
            load_supernet(NAME, weights="published")

    def test_another_file_at_the_address(self, publish: Publisher, supernet: Supernet) -> None:
        file = publish(NAME, supernet.state_dict())
        (publish.server.folder / FILE).write_bytes(b"another")
        with pytest.raises(DownloadError, match=f"expected Git blob {file.git_blob}, got"):
            load_supernet(NAME, weights="published")

    @pytest.mark.parametrize("family", ["ofa_mbv3_fashion", mobilenet_v3_small_images("mine")])
    def test_a_family_without_published_weights(self, publish: Publisher, family: Any) -> None:
        words = r"`weights` must be a path for '(ofa_mbv3_fashion|mine)'.* ofa_mbv3_w1\.0, .* have"
        with pytest.raises(InvalidArgumentError, match=words):
            load_supernet(family, weights="published")

    def test_no_family(self, publish: Publisher) -> None:
        words = "`family` must be one of ofa_mbv3_w1.0, .* where `weights` is 'published', but"
        with pytest.raises(InvalidArgumentError, match=words):
            load_supernet(weights="published")

    def test_a_single_network(self, publish: Publisher) -> None:
        words = re.escape("'proxyless_cpu' is a single network; optuna_ofa.fetch('proxyless_cpu')")
        with pytest.raises(InvalidArgumentError, match=words):
            load_supernet(NAME, weights="proxyless_cpu")

    @pytest.mark.parametrize("weights", ["publishd", "ofa_D4_E6_K5"])
    def test_a_misspelt_name(self, publish: Publisher, weights: str) -> None:
        words = f"`weights` must be a file, but {weights} does not exist; did you mean"
        with pytest.raises(FormatError, match=words):
            load_supernet(NAME, weights=weights)


def test_resnet50d_is_pinned_by_the_sha256_of_git_lfs(
    publish: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    monkeypatch.setenv("OPTUNA_OFA_CACHE", str(publish.server.folder))
    words = r"media\.githubusercontent\.com/.*`sha256sum` must print the SHA-256 3406a4c852f4573a"
    with pytest.raises(DownloadError, match=words):
        load_supernet("ofa_resnet50", weights="published")


class TestFileOfThatName:
    @pytest.mark.parametrize("is_folder", [False, True], ids=["file", "folder"])
    def test_published_is_ambiguous(self, publish: Publisher, is_folder: bool) -> None:
        os.mkdir("published") if is_folder else Path("published").write_text("")
        words = r"must be unambiguous, but 'published' is .*'\./published' means the file"
        with pytest.raises(InvalidArgumentError, match=words):
            load_supernet(NAME, weights="published")
        assert publish.server.requests == []

    @pytest.mark.parametrize("weights", ["./published", Path("published")], ids=["text", "path"])
    def test_a_path_is_the_file(self, publish: Publisher, supernet: Supernet, weights: Any) -> None:
        save_supernet(supernet, "published")
        assert_same_weights(load_supernet(NAME, weights=weights), supernet)
        assert publish.server.requests == []

    def test_the_file_is_taken_for_other_names(
        self, publish: Publisher, supernet: Supernet
    ) -> None:
        save_supernet(supernet, FILE)
        assert_same_weights(load_supernet(NAME, weights=FILE), supernet)
        assert publish.server.requests == []

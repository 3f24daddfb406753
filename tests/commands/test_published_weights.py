"""``optuna-ofa export --weights`` with published weights, from a server on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from optuna_ofa import SearchSpace, Supernet, get_family, save_supernet
from optuna_ofa._digests import file_digest
from optuna_ofa._published import PUBLISHED
from optuna_ofa.commands import main
from optuna_ofa.deployment import load_exported

NAME = "ofa_mbv3_w1.0"
FILE = "ofa_mbv3_d234_e346_k357_w1.0"
SUBNET = SearchSpace(NAME).smallest()


@pytest.fixture
def supernet(file_server: Any, download_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Supernet:
    """A supernet that the server publishes."""
    torch.manual_seed(0)
    made = Supernet(get_family(NAME))
    path = file_server.folder / FILE
    save_supernet(made, path)
    (file,) = (file for file in PUBLISHED if file.name == NAME)
    url, blob = f"{file_server.address}/{FILE}", file_digest(path, "Git blob")
    monkeypatch.setattr(
        "optuna_ofa.supernet._published_weights.PUBLISHED", (replace(file, url=url, git_blob=blob),)
    )
    return made


def _export(weights: str) -> int:
    Path("subnet.json").write_text(SUBNET.to_json())
    given = ["--weights", weights, "--calibration", "none", "--subnet", "subnet.json"]
    return main(["export", "net", "--format", "ofa", *given])


@pytest.mark.parametrize("weights", ["published", NAME, FILE])
def test_export_takes_published_weights(supernet: Supernet, weights: str) -> None:
    assert _export(weights) == 0
    images = torch.randn(1, 3, SUBNET.resolution, SUBNET.resolution)
    expected = supernet.extract(SUBNET).eval()(images)
    torch.testing.assert_close(load_exported("net")(images), expected, rtol=1e-4, atol=1e-5)


def test_a_failed_download_says_what_to_do(
    supernet: Supernet, file_server: Any, download_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file_server.folder / FILE).unlink()
    assert _export("published") == 1
    message = capsys.readouterr().err
    place = download_cache / NAME / FILE
    assert message.startswith(f"error: could not fetch {file_server.address}/{FILE}: 404")
    assert f"put it at {place}, where `git hash-object` must print the Git blob" in message
    assert message.count("\n") == 1


def test_a_file_called_published_is_ambiguous(
    supernet: Supernet, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("published").write_text("mine")
    assert _export("published") == 1
    message = capsys.readouterr().err
    assert message.startswith("error: --weights published: must be unambiguous, but 'published'")

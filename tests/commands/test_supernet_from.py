"""The command that makes a supernet of a pretrained network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from optuna_ofa import SearchSpace, Supernet, load_supernet
from optuna_ofa.commands import main

FAMILY = "ofa_mbv3_fashion"


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A state dict in the current folder."""
    monkeypatch.chdir(tmp_path)
    net = Supernet(FAMILY).extract(SearchSpace(FAMILY).largest())
    torch.save(net.state_dict(), "weights.pth")
    return "weights.pth"


def test_a_checkpoint_is_written(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["supernet-from", weights, "--out", "s.pth"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "weights.pth is the largest subnet of ofa_mbv3_fashion; smaller ones are slices of it",
        "written to s.pth",
    ]
    assert load_supernet("s.pth").family.name == FAMILY


def test_it_is_fitted_to_images(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("images.npy", np.random.default_rng(0).normal(size=(32, 1, 28, 28)))
    given = ("--calibration", "images.npy", "--n-classes", "3", "--family", FAMILY, "--json")
    assert main(["supernet-from", weights, "--out", "s.pth", *given]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "supernet": "ofa_mbv3_fashion_3_classes",
        "out": "s.pth",
        "is_calibrated": True,
    }
    assert load_supernet("s.pth").own_projections


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no.pth", "--out", "s.pth"), "WEIGHTS no.pth: must be a file, but no.pth does not exist"),
        (("weights.pth", "--out", "s.txt"), "--out s.txt: must end in .pth or .pt"),
        (
            ("weights.pth", "--out", "s.pth", "--family", "resnet50"),
            "WEIGHTS weights.pth: must be those of resnet50",
        ),
        (
            ("weights.pth", "--out", "s.pth", "--calibration", "weights.pth"),
            "--calibration weights.pth: must be a .npy file with numbers",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, tuple) else "",
)
def test_refused_in_one_line(
    weights: str, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["supernet-from", *arguments]) == 1
    found = capsys.readouterr().err
    assert found.startswith(f"error: {message}")
    assert found.count("\n") == 1
    assert not Path("s.pth").exists()


def test_a_pretrained_network_is_no_supernet_yet(
    weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "--supernet", weights]) == 1
    assert "by `optuna-ofa supernet-from`" in capsys.readouterr().err

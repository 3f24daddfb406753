"""Tables of another device on the command line: what is said, and how they are corrected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from optuna_ofa import LatencyTable, NetworkLatencyPredictor
from optuna_ofa.commands import main
from optuna_ofa.data import find_hardware
from optuna_ofa.space import get_family

pytestmark = pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")
QUICK = ("--n-rounds", "2")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """One thread."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of a phone."""
    found = find_hardware("cpu-torch", get_family("ofa_mbv3_fashion"))
    assert isinstance(found, LatencyTable)
    metadata: dict[str, Any] = {**found.metadata, "processor": "Samsung Note10"}
    LatencyTable(found.content._replace(metadata=metadata)).save(tmp_path / "phone.json")
    return tmp_path / "phone.json"


def test_compare_says_that_the_table_is_of_another_processor(
    table: Path, tmp_path: Path, capsys: Capture
) -> None:
    here = str(tmp_path / "here.json")
    command = ["compare", "--table", str(table), "--n", "4", *QUICK]
    assert main([*command, "--recalibrate", here, "--seed", "1"]) == 0
    out = capsys.readouterr().out
    assert "table: table of another processor (Samsung Note10, measured on " in out
    assert "optuna-ofa profile --supernet ofa_mbv3_fashion --runtime torch" in out
    assert "corrected with 4 measured subnets: scale " in out
    assert NetworkLatencyPredictor.load(here).metadata["recalibrated"]["n_subnets"] == 4
    assert main(["compare", "--table", here, "--n", "3", *QUICK, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["notes"], data["remedies"], data["recalibrated"]) == ([], [], None)


def test_verify_corrects_the_predictor_of_a_study(
    table: Path, tmp_path: Path, capsys: Capture
) -> None:
    storage, here = ("--storage", f"sqlite:///{tmp_path}/a.db"), str(tmp_path / "here.json")
    search = ["search", "--supernet", "ofa_mbv3_fashion", *storage, "--n", "60"]
    assert main([*search, "--hardware", str(table)]) == 0
    capsys.readouterr()
    verify = ["verify", *storage, "--points", "3", *QUICK]
    assert main([*verify, "--recalibrate", here, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert "table of another processor (Samsung Note10" in data["notes"][0]
    assert len(data["remedies"]) == 2
    assert data["recalibrated"] == here
    assert main([*search, "--hardware", here, "--study", "here"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "2"], "--n 2: must be 3 or more"),
        (["--n", "3", "--recalibrate", "no/here.json"], "there is no folder 'no'"),
        (["--n", "3", "--recalibrate", "here.yaml"], "--recalibrate here.yaml: must end in .json"),
    ],
    ids=["few", "folder", "ending"],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    table: Path, capsys: Capture, arguments: list[str], message: str
) -> None:
    assert main(["compare", "--table", str(table), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_the_settings_of_the_table_are_the_default(tmp_path: Path, capsys: Capture) -> None:
    found = find_hardware("cpu-torch", get_family("ofa_mbv3_fashion"))
    assert isinstance(found, LatencyTable)
    settings = {**found.metadata["settings"], "batch": 2}
    metadata = {**found.metadata, "settings": settings}
    path = tmp_path / "two.json"
    LatencyTable(found.content._replace(metadata=metadata)).save(path)
    for given, batch in (([], 2), (["--batch", "1"], 1)):
        command = ["compare", "--table", str(path), "--n", "3", *QUICK, "--json", *given]
        assert main(command) == 0
        data = json.loads(capsys.readouterr().out)
        assert data["setup"]["settings"]["batch"] == batch
        assert any("batch size (2, measured with 1)" in n for n in data["notes"]) == bool(given)

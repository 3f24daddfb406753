"""The commands on a family of one's own, which need nothing but the files and the database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optuna_ofa import Subnet, Supernet, load_supernet, save_supernet
from optuna_ofa.commands import main
from optuna_ofa.deployment import read_metadata
from optuna_ofa.predictors import AccuracyPredictor, CostPredictor
from optuna_ofa.space import SearchSpace, mobilenet_v3_small_images

OWN = mobilenet_v3_small_images("mine", width=0.5, resolutions=(16, 20))
pytestmark = [pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained supernet, an accuracy predictor, a family and images, all in files."""
    place = tmp_path_factory.mktemp("own")
    torch.manual_seed(0)
    save_supernet(Supernet(OWN), place / "mine.pth")
    OWN.save(place / "mine.json")
    space = SearchSpace(OWN)
    matrix = space.sample(40, seed=0)
    top1 = 50 + 20 * np.log10(CostPredictor("n_macs", space).predict(matrix) / 1e6)
    AccuracyPredictor.fit(space, matrix, top1, model="ridge").save(place / "accuracy.json")
    images = np.random.default_rng(0).normal(size=(32, 3, 20, 20)).astype(np.float32)
    np.save(place / "images.npy", images)
    return place


@pytest.fixture(scope="module")
def table(folder: Path) -> Path:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    out = folder / "table.json"
    settings = ["--runtime", "torch", "--n-rounds", "2", "--max-spread", "10"]
    assert main(["profile", "--supernet", f"{folder}/mine.pth", "--out", str(out), *settings]) == 0
    return out


@pytest.fixture(scope="module")
def storage(folder: Path, table: Path) -> str:
    url = f"sqlite:///{folder}/nas.db"
    files = ["--accuracy", f"{folder}/accuracy.json", "--hardware", str(table)]
    assert main(["search", *files, "--storage", url, "--n", "150"]) == 0
    return url


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_the_front_names_whole_subnets(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = _json(capsys, "front", "--storage", storage)
    subnets = [Subnet.from_dict(point["subnet"]) for point in data["points"]]
    assert {subnet.family for subnet in subnets} == {OWN}


def test_report_verify_and_export(
    storage: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "r.html"), "--storage", storage]) == 0
    data = _json(capsys, "verify", "--storage", storage, "--points", "2", "--n-rounds", "2")
    assert len(data["points"]) == 2
    assert data["notes"] == []  # in the runtime of the table
    out = str(tmp_path / "subnet.pt2")
    given = ["--weights", f"{folder}/mine.pth", "--calibration", f"{folder}/images.npy"]
    form = ["--format", "torch_export"]
    assert main(["export", out, *form, *given, "--storage", storage]) == 0
    subnet = Subnet.from_json(json.dumps(read_metadata(out)["subnet"]))
    assert subnet.family == OWN
    again = ["--subnet", f"{out}.json"]
    assert main(["export", str(tmp_path / "again.pt2"), *form, *given, *again]) == 0
    assert read_metadata(tmp_path / "again.pt2")["subnet"] == read_metadata(out)["subnet"]


def test_another_runtime_than_that_of_the_table_is_told(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--points", "2", "--n-rounds", "2", "--runtime", "onnxruntime"]
    (note,) = _json(capsys, "verify", "--storage", storage, *few)["notes"]
    assert note.startswith("latency_ms: table of another runtime (torch")


def test_measure_compare_graphs_and_collect(
    folder: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--n", "2", "--n-rounds", "2"]
    data = _json(capsys, "measure", "--supernet", f"{folder}/mine.json", *few)
    assert Subnet.from_dict(data["subnets"][0]["subnet"]).family == OWN
    assert main(["compare", "--table", str(table), "--n", "5", "--n-rounds", "2"]) == 0
    graphs = ["--supernet", f"{folder}/accuracy.json", "--resolutions", "16"]
    assert main(["graphs", str(tmp_path / "g"), *graphs]) == 0
    assert main(["collect", str(tmp_path / "g"), "--out", str(tmp_path / "t.json")]) == 1
    assert "results.json" in capsys.readouterr().err


def test_a_supernet_of_another_table_is_refused(
    storage: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = mobilenet_v3_small_images("mine", width=0.5, resolutions=(16, 20), n_classes=7)
    save_supernet(Supernet(other), tmp_path / "other.pth")
    given = ["--weights", f"{tmp_path}/other.pth", "--calibration", f"{folder}/images.npy"]
    arguments = ["--format", "pytorch", *given, "--storage", storage]
    assert main(["export", str(tmp_path / "x"), *arguments]) == 1
    assert "n_classes of the head: 7 in the file, 10 in the family" in capsys.readouterr().err
    assert load_supernet(f"{folder}/mine.pth").family == OWN


def test_a_family_is_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "--hardware", "cpu-torch", "--n", "10"]) == 1
    assert "--supernet must be given if --accuracy and --hardware" in capsys.readouterr().err

"""The commands on studies: search, front, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch

import optuna_ofa
from optuna_ofa.commands import main
from optuna_ofa.deployment import load_exported, read_metadata
from optuna_ofa.predictors import AccuracyPredictor

FAMILY = ("--supernet", "ofa_mbv3_w1.0")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with a study of the command, on another than the default table."""
    url = f"sqlite:///{tmp_path_factory.mktemp('studies')}/nas.db"
    arguments = "--n 300 --hardware cpu-openvino --within latency_ms=12 --resolutions 224"
    assert main(["search", *FAMILY, "--storage", url, *arguments.split()]) == 0
    return url


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    return data


def test_search_writes_what_a_script_would(storage: str) -> None:
    study = optuna_ofa.study(
        optuna_ofa.SearchSpace("ofa_mbv3_w1.0", resolution=224),
        hardware="cpu-openvino",
        constraints={"latency_ms": 12},
        storage=storage,
        study_name="optuna-ofa",
        load_if_exists=True,
    )
    assert len(study.trials) == 300
    assert study.user_attrs["optuna_ofa:predictors"] == {"hardware": "cpu-openvino"}


def test_search_for_a_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/nas.db")
    command = ("search", "--supernet", "ofa_mbv3_fashion", "--board", "STM32-F746", *storage)
    own = ("--objectives", "n_params", "n_macs", "--within", "sram_kb=250", "--until", "20")
    found = _json(capsys, *command, *own)
    assert found["board"] == "stm32f746"
    assert found["constraints"] == {"sram_kb": 250, "flash_kb": 1024}
    assert main(["search", *storage, "--until", "20"]) == 0
    assert "\nsearched for STM32F746 (320 kB SRAM, 1,024 kB flash); " in capsys.readouterr().out
    assert main(["studies", *storage]) == 0
    assert " board=stm32f746 sram_kb=250 flash_kb=1024 " in capsys.readouterr().out
    assert main(["search", *storage, "--board", "stm32f746"]) == 1
    assert "error: --board stm32f746: must be left out to cont" in capsys.readouterr().err


def test_search_goes_on_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["search", *FAMILY, "--storage", f"sqlite:///{tmp_path}/nas.db", "--n", "100"]
    assert main([*command, "--plot", f"{tmp_path}/front.html"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"study optuna-ofa in sqlite:///{tmp_path}/nas.db: 100 trials\n")
    assert "predicted front; 5 of them:\n  top1 " in out
    page = (tmp_path / "front.html").read_text()
    assert "Plotly.newPlot" in page
    assert "on the Pareto front" in page
    data = _json(capsys, *command)
    assert data["n_trials"] == 200
    front = _json(capsys, "front", "--storage", f"sqlite:///{tmp_path}/nas.db")
    assert data == front
    assert list(front["points"][0]) == [
        *("values", "std", "n_images", "kind", "extrapolated", "trial_number", "subnet")
    ]


def test_front_needs_the_name_alone(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = _json(capsys, "front", "--storage", storage, "--n", "0")
    latencies = [point["values"]["latency_ms"] for point in data["points"]]
    assert len(latencies) == data["n_points"]
    assert latencies == sorted(latencies)
    assert latencies[-1] <= 12
    assert data["points"][0]["std"].keys() == {"top1", "latency_ms"}


def test_front_prints_both_ends(storage: str, capsys: pytest.CaptureFixture[str]) -> None:
    every = _json(capsys, "front", "--storage", storage, "--n", "0")["points"]
    both = _json(capsys, "front", "--storage", storage, "--n", "2")["points"]
    assert both == [every[0], every[-1]]
    assert main(["front", "--storage", storage, "--n", "3"]) == 0
    out = capsys.readouterr().out.split("\n")
    assert out[0] == f"study optuna-ofa in {storage}: 300 trials"
    assert out[1].endswith("subnets on the predicted front; 3 of them:")
    assert out[2].startswith("  top1 ")


def test_front_within_limits_is_the_best_point(
    storage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    every = _json(capsys, "front", "--storage", storage, "--n", "0")["points"]
    (best,) = _json(capsys, "front", "--storage", storage, "--within", "latency_ms=10")["points"]
    inside = [p for p in every if p["values"]["latency_ms"] <= 10]
    assert best == max(inside, key=lambda p: p["values"]["top1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "other"], "error: --study other: must be one of optuna-ofa."),
        (["--hardware", "cpu-torch"], "--hardware cpu-torch: must be what the study was searched"),
        (
            ["--within", "latency_ms=1"],
            "No point of the front has latency_ms ≤ 1 ms; the nearest has",
        ),
        (["--plot", "front.gif"], "--plot front.gif: must end in .html"),
    ],
    ids=["study", "hardware", "limit", "ending"],
)
def test_front_refuses(
    storage: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["front", "--storage", storage, *arguments]) == 1
    assert message in capsys.readouterr().err


def test_front_refuses_a_study_of_optuna(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/other.db"
    optuna.create_study(storage=url, study_name="plain")
    assert main(["front", "--storage", url, "--study", "plain"]) == 1
    assert "of a study created by optuna_ofa, but 'plain' is not" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["latency-ms=1", "latency_ms=fast", "latency_ms"])
def test_limits_that_are_none_are_wrong_arguments(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["front", "--storage", "sqlite:///a.db", "--within", text])
    assert "must be METRIC=VALUE" in capsys.readouterr().err


def test_report_is_a_page(storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    data = _json(capsys, "report", str(out), "--storage", storage, "--limits", "10", "12")
    assert data == {"report": str(out)}
    page = out.read_text(encoding="utf-8")
    assert "optuna-ofa" in page
    assert "ofa_mbv3_w1.0@224" in page


@pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning")
def test_verify_measures_the_front(
    storage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    picture = tmp_path / "verified.html"
    settings = ["--points", "3", "--n-rounds", "2", "--plot", str(picture)]
    data = _json(capsys, "verify", "--storage", storage, *settings)
    assert data["errors"]["latency_ms"]["n"] == 3
    errors = [p["measured"]["latency_ms"] - p["predicted"]["latency_ms"] for p in data["points"]]
    assert data["errors"]["latency_ms"]["mean_error"] == pytest.approx(np.mean(errors))
    assert [point["trial_number"] for point in data["points"]] == [None] * 3
    assert data["failures"] == []
    assert "Plotly.newPlot" in picture.read_text()


# ---------------------------------------------------------------------- export


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of random weights."""
    path = tmp_path_factory.mktemp("weights") / "ofa.pth"
    torch.manual_seed(0)
    optuna_ofa.save_supernet(optuna_ofa.load_supernet("ofa_mbv3_w1.0"), path)
    return str(path)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Eight images in a file."""
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 3, 224, 224)).astype(np.float32))
    return str(path)


def test_export_of_a_study_says_what_is_predicted(
    storage: str, weights: str, images: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "subnet.pt2")
    arguments = ["--format", "torch_export", "--weights", weights, "--calibration", images]
    study = ["--storage", storage, "--within", "latency_ms=10"]
    data = _json(capsys, "export", out, *arguments, *study)
    (best,) = _json(capsys, "front", *study)["points"]
    metadata = read_metadata(out)
    assert metadata["subnet"] == best["subnet"]
    assert metadata["calibration"]["n_images"] == 8
    assert [(f["metric"], f["kind"], f["device"]) for f in metadata["figures"]] == [
        ("top1", "predicted", None)
    ]
    (latency,) = metadata["figures_of_others"]  # of OpenVINO, and the file is PyTorch's
    assert (latency["kind"], latency["device"]) == ("predicted", "cpu-openvino")
    assert latency["differs_in"] == ["runtime"]
    assert main(["export", out, *arguments, *study]) == 0
    assert "; not of this file, but of runtime openvino" in capsys.readouterr().out
    assert data["metadata"]["subnet"] == best["subnet"]
    size = best["subnet"]["resolution"]
    assert load_exported(out, trust=True)(torch.zeros(1, 3, size, size)).shape == (1, 1000)


def test_export_says_what_is_extrapolated(
    storage: str,
    weights: str,
    images: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AccuracyPredictor, "extrapolates", lambda _, m: np.ones(len(m), bool))
    out = str(tmp_path / "subnet.pt2")
    arguments = ["--format", "torch_export", "--weights", weights, "--calibration", images]
    assert main(["export", out, *arguments, "--storage", storage, "--within", "latency_ms=10"]) == 0
    assert " %, predicted, extrapolated" in capsys.readouterr().out
    assert [f["extrapolated"] for f in read_metadata(out)["figures"]] == [True]


def test_export_of_a_file(weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subnet = optuna_ofa.SearchSpace("ofa_mbv3_w1.0").smallest()
    (tmp_path / "subnet.json").write_text(subnet.to_json())
    arguments = ["--format", "ofa", "--weights", weights, "--calibration", "none"]
    assert (
        main(
            ["export", str(tmp_path / "out"), *arguments, "--subnet", str(tmp_path / "subnet.json")]
        )
        == 0
    )
    assert capsys.readouterr().out.startswith(str(subnet))
    assert read_metadata(tmp_path / "out")["subnet"] == subnet.to_dict()


@pytest.mark.parametrize(
    ("array", "message"),
    [(np.zeros((3, 8, 8)), "must have four axes"), (None, "must be a .npy file")],
    ids=["axes", "text"],
)
def test_export_refuses_what_are_no_images(
    weights: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    array: np.ndarray | None,
    message: str,
) -> None:
    path = tmp_path / "images.npy"
    path.write_text("no array") if array is None else np.save(path, array)
    (tmp_path / "s.json").write_text(optuna_ofa.SearchSpace("ofa_mbv3_w1.0").smallest().to_json())
    arguments = ["--format", "ofa", "--weights", weights, "--calibration", str(path)]
    assert main(["export", "out", *arguments, "--subnet", str(tmp_path / "s.json")]) == 1
    assert f"--calibration {path}: {message}" in capsys.readouterr().err


def test_export_needs_a_subnet(weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--format", "ofa", "--weights", weights, "--calibration", "none"]
    assert main(["export", "out", *arguments]) == 1
    assert (
        "--storage sqlite:///optuna_ofa.db: must be a database that exists"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("command", [["front"], ["search", "--n", "0"]], ids=["front", "search"])
def test_extrapolated_points_are_marked(
    storage: str,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = np.median([p.top1 for p in optuna_ofa.load_study(None, storage).front()])
    far = lambda self, m: self.model.predict(m) > limit  # noqa: E731
    monkeypatch.setattr(AccuracyPredictor, "extrapolates", far)
    assert main([*command, "--storage", storage]) == 0
    printed = capsys.readouterr()
    assert "(predicted, top1 extrapolated): ofa_mbv3_w1.0@224" in printed.out
    assert "points are extrapolated: the predictor of top1 was not fitted on" in printed.out
    assert "warning: " not in printed.err  # which would say the same again
    points = _json(capsys, *command, "--storage", storage)["points"]
    assert [p["extrapolated"] for p in points] == [
        ["top1"] if p["values"]["top1"] > limit else [] for p in points
    ]

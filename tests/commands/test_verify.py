"""What `verify` measures on the command line, and with which weights and images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optuna_ofa
import optuna_ofa.verification._micro_meter as micro
from optuna_ofa import EvaluationSettings
from optuna_ofa._imports import OptionalImport
from optuna_ofa.commands import main
from optuna_ofa.data import packaged_images, packaged_supernet
from optuna_ofa.exceptions import ExtrapolationWarning, MissingDependencyError
from optuna_ofa.graphs import LiteRTFile
from optuna_ofa.graphs._tflite_micro import Arena

Capture = pytest.CaptureFixture[str]
FAMILY = "ofa_mbv3_fashion"
BOARD = {"sram_kb": 400.0, "flash_kb": 2_000.0}
N_IMAGES, N_CALIBRATION = 20, 40


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """One thread."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images in files, and studies in ``nas.db``."""
    folder = tmp_path_factory.mktemp("verify")
    images = packaged_images()
    test, labels = (tensor[:N_IMAGES].numpy() for tensor in images.test.tensors)
    np.savez(folder / "test.npz", images=test, labels=labels)
    np.savez_compressed(folder / "unlabelled.npz", images=test)
    np.savez(folder / "few.npz", images=test, labels=labels[1:])
    np.savez(folder / "flat.npz", images=test[0], labels=labels[:1])
    np.savez(folder / "many.npz", images=test, labels=labels + 10)
    np.savez(folder / "colour.npz", images=test.repeat(3, axis=1), labels=labels)
    np.save(folder / "training.npy", images.train.tensors[0][:N_CALIBRATION].numpy())
    storage = f"sqlite:///{folder}/nas.db"
    space = optuna_ofa.SearchSpace(FAMILY).restrict(resolution=20, kernel=3, depth=2)
    for name, objectives, constraints in (
        ("exact", ["top1", "n_macs"], None),
        ("wrong", ["top1", "n_macs"], None),
        ("board", ["top1", "sram_kb", "n_macs"], BOARD),
    ):
        study = optuna_ofa.study(
            space,
            objectives=objectives,
            constraints=constraints,
            storage=storage,
            study_name=name,
            seed=0,
        )
        study.search(10, progress=False)
    large = optuna_ofa.study("ofa_mbv3_w1.0", storage=storage, study_name="large", seed=0)
    with pytest.warns(ExtrapolationWarning):
        large.search(10, progress=False)
    return folder


def _arguments(folder: Path, study: str, *more: str) -> list[str]:
    storage = f"sqlite:///{folder}/nas.db"
    return ["verify", "--storage", storage, "--study", study, "--points", "1", *more]


def test_top1_is_what_a_script_would_measure(folder: Path, capsys: Capture) -> None:
    files = ("--images", f"{folder}/test.npz", "--calibration", f"{folder}/training.npy")
    assert main([*_arguments(folder, "exact", *files), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    (point,) = data["points"]
    assert point["n_images"] == {"top1": N_IMAGES}
    assert point["trial_number"] == 10  # the objectives are measured or exact
    images = packaged_images()
    test = [tuple(tensor[:N_IMAGES] for tensor in images.test.tensors)]
    found = optuna_ofa.evaluate(
        packaged_supernet(),
        [optuna_ofa.Subnet.from_dict(point["subnet"])],
        test,
        EvaluationSettings(calibration=images.train.tensors[0][:N_CALIBRATION]),
        progress=False,
    )
    assert point["measured"]["top1"] == found.top1[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--images", "no.npz"), "--images no.npz: "),
        (("--images", "unlabelled.npz"), "must be a .npz file with the arrays 'images'"),
        (("--images", "few.npz"), "must have whole numbers 'labels', one for each"),
        (("--images", "flat.npz"), "must have four axes"),
        (("--images", "many.npz"), "must give labels from 0 to 9"),
        (("--images", "colour.npz"), "must give images of shape"),
        (("--calibration", "test.npz", "--metrics", "top1"), "--calibration test.npz: must be a"),
        (("--metrics", "top1", "--weights", "no.pth"), "--weights no.pth: "),
        (("--metrics", "top1", "--precision", "bf16"), "--precision bf16: must be one of float32"),
        (("--metrics", "top1", "latency_ms"), "must say how to measure at least one of top1"),
        (("--metrics", "latency_ms", "--images", "test.npz"), "--images test.npz: must be left"),
        (("--metrics", "top1", "--recalibrate", "a.json"), "--recalibrate a.json: must be left"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(
    folder: Path,
    given: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    monkeypatch.chdir(folder)
    more = ("--points", "3") if "--recalibrate" in given else ()
    assert main([*_arguments(folder, "wrong", *given), *more]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: --")
    assert words in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("--metrics", "top1"), "--weights must be a checkpoint of the supernet: the package has"),
        (("--images", "test.npz", "--weights", "w.pth"), "--calibration must be a .npy file with"),
    ],
)
def test_a_family_without_packaged_weights_needs_files(
    folder: Path, given: tuple[str, ...], words: str, capsys: Capture
) -> None:
    assert main(_arguments(folder, "large", *given)) == 1
    assert capsys.readouterr().err.startswith(f"error: {words}")


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A converter and an interpreter of files with zeros."""
    monkeypatch.setattr(micro, "litert_file", lambda *_: bytes(4_096))
    monkeypatch.setattr(micro, "arena_of", lambda file: Arena(2_048, 0, 0))
    monkeypatch.setattr(micro, "read_litert", lambda file: LiteRTFile((), (), ("CONV_2D",)))
    monkeypatch.setattr(micro, "tflite_micro_version", lambda: "1")
    monkeypatch.setattr(micro, "converter_versions", lambda _: {"converter": "2"})
    monkeypatch.setattr(OptionalImport, "require", lambda self: None)


def test_the_memory_of_a_board_is_measured_by_default(
    folder: Path, tmp_path: Path, files: None, capsys: Capture
) -> None:
    plot = tmp_path / "three_objectives.html"
    assert main([*_arguments(folder, "board", "--plot", str(plot)), "--json"]) == 0
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert (point["measured"]["sram_kb"], point["measured"]["flash_kb"]) == (2, 4)
    assert "top1" not in point["measured"]
    assert "SRAM" in plot.read_text()


def test_accuracies_on_a_board_are_those_of_its_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: None
) -> None:
    taken: dict[str, Any] = {}

    def verify(_: object, measure: dict[str, Any], **__: object) -> None:
        taken.update(measure)
        raise KeyboardInterrupt

    monkeypatch.setattr("optuna_ofa.studies.SubnetStudy.verify", verify)
    command = _arguments(folder, "board", "--metrics", "top1", "sram_kb")
    assert main(command) == 130
    assert (taken["top1"].runtime, taken["top1"].precision) == ("litert", "int8")
    assert main(_arguments(folder, "exact", "--precision", "int8")) == 130
    assert (taken["top1"].runtime, taken["top1"].precision) == ("onnxruntime", "int8")
    assert main([*command, "--precision", "float32"]) == 130
    assert (taken["top1"].runtime, taken["top1"].precision) == ("torch", "float32")


@pytest.mark.parametrize("metric", ["top1", "sram_kb"])
def test_a_missing_extra_is_named_first(
    metric: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def refuse(self: OptionalImport) -> None:
        raise MissingDependencyError(f'pip install "optuna-ofa[{self.extra}]"')

    def measure(*_: object) -> None:
        raise AssertionError("something was measured")

    monkeypatch.setattr(OptionalImport, "require", refuse)
    monkeypatch.setattr(OptionalImport, "check", refuse)
    monkeypatch.setattr("optuna_ofa.verification.AccuracyMeter.measure", measure)
    given = ("--metrics", metric, "top1", "--precision", "int8")
    assert main(_arguments(folder, "board", *given)) == 1
    assert "optuna-ofa[" in capsys.readouterr().err

"""The examples run as their users run them; `.ci/run` runs the quickstart itself."""

from __future__ import annotations

import csv
import difflib
import json
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest
import torch
from PIL import Image

import optuna_ofa
from optuna_ofa import (
    AccuracyPredictor,
    LatencyTable,
    MeasurementSettings,
    SearchSpace,
    Supernet,
    get_family,
    load_supernet,
    read_measurements,
    save_supernet,
)
from optuna_ofa.commands import main
from optuna_ofa.data import packaged_accuracy, packaged_supernet, packaged_table, table_names
from optuna_ofa.data._fashion_mnist import DEBIAN
from optuna_ofa.deployment import load_exported, read_metadata
from optuna_ofa.space import mobilenet_v3_small_images

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
IMAGES = "ofa_mbv3_fashion.images.npz"


Run = Callable[..., str]


@pytest.fixture
def _state() -> Iterator[None]:
    """Restore what scripts set for their process."""
    threads, verbosity = torch.get_num_threads(), optuna.logging.get_verbosity()
    yield
    torch.set_num_threads(threads)
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    _state: None,
) -> Run:
    """Run a script in ``tmp_path`` as ``python script arguments`` does, and return what it prints.

    It runs in this process, so that nothing is imported again.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)

    def run(script: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_search_published_prices_each_pick_on_both_devices(whole_data: Path, run: Run) -> None:
    out = run("search_published.py", "--data", whole_data, "--evaluations", 400)
    assert out.count("(predicted)") == 6
    assert "note10's pick on i7-8700k" in out


def test_fleet_prices_each_pick_on_all_and_goes_on(
    whole_data: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # names that are like a missing one, for a message that the example does not show, take 40 s
    monkeypatch.setattr(
        difflib, "get_close_matches", lambda name, names, **options: list(names)[:3]
    )
    arguments = (
        "--data",
        whole_data,
        "--evaluations",
        100,
        "--storage",
        f"sqlite:///{tmp_path}/nas.db",
        "--folder",
        tmp_path / "pictures",
    )
    first = run("fleet.py", *arguments)
    assert first.count("subnets on the front") == 3
    rows = re.findall(r"^(Note10|i7-8700K|cpu-onnxruntime) .*", first, re.MULTILINE)
    assert rows == ["Note10", "i7-8700K", "cpu-onnxruntime"]
    assert len(re.findall(r"\d ms \([+-]\d", first)) == 9
    assert "mobile: 320 M multiply-adds, 24 layers, of which 21 in mobile_trim" in first
    assert {p.name for p in (tmp_path / "pictures").iterdir()} == {"fronts.html", "transfer.html"}
    assert run("fleet.py", *arguments) == first  # nothing was searched again


def test_gpu_cpu_phone_compares_equal_accuracies(
    shared_data: Path, run: Run, tmp_path: Path
) -> None:
    gpu = shared_data / "gpu" / "ofa_gpu_latency.csv"
    if not gpu.is_file():
        pytest.skip("shared/data has no measurements of GPUs")
    lines = gpu.read_text(encoding="utf-8").splitlines()
    gpu = tmp_path / "gpu.csv"
    gpu.write_text("\n".join([lines[0], *lines[1::3]]), encoding="utf-8")
    folder = tmp_path / "figures"
    devices = ["2080Ti, batch 1", "2080Ti, batch 64", "i7-8700K", "Note10"]
    arguments = ("--gpu", gpu, "--data", shared_data, "--evaluations", 600, "--folder", folder)
    out = run("gpu_cpu_phone.py", *arguments)
    found = re.findall(r"(2080Ti, batch \d+): multiply-adds (\S+), blocks (\S+);", out)
    macs, blocks = {d: float(m) for d, m, _ in found}, {d: float(b) for d, _, b in found}
    assert macs["2080Ti, batch 1"] < 0.5 < blocks["2080Ti, batch 1"]
    assert macs["2080Ti, batch 64"] > 0.9 > blocks["2080Ti, batch 64"]
    part = out[out.index("top-1 81 %") : out.index("top-1 83 %")]
    n_blocks = {d: int(re.search(rf"^{d} +\S+ +(\d+) ", part, re.MULTILINE)[1]) for d in devices}
    assert n_blocks["2080Ti, batch 1"] < min(n_blocks["2080Ti, batch 64"], n_blocks["Note10"])
    assert len(re.findall(r"\d ms \([+-]\d", out)) == 16
    drawn = {"architectures.html", "transfer.html"} | {f"{d}.choices.html" for d in devices}
    assert {path.name for path in folder.iterdir()} == drawn


def test_energy_is_searched_reported_and_measured(run: Run, tmp_path: Path) -> None:
    counter = tmp_path / "energy_uj"
    arguments = ("--evaluations", 300, "--folder", tmp_path, "--counter", counter)
    out = run("energy.py", *arguments)
    limits = [float(x) for x in re.findall(r"within ([\d.]+) mJ", out)]
    found = [float(x) for x in re.findall(r"within .* energy_mj ([\d.]+) mJ \(predicted\)", out)]
    assert len(limits) == 3
    assert all(value <= limit + 0.005 for value, limit in zip(found, limits, strict=True))
    assert "Energy (mJ)" in (tmp_path / "energy.html").read_text(encoding="utf-8")
    assert "nothing is measured" in out
    counter.write_text("7\n")
    out = run("energy.py", *arguments)
    assert re.search(r"nothing is measured: .* moved from 7 to 7: it does not work", out)


def test_compare_runtimes_prices_each_pick_on_the_others(run: Run) -> None:
    out = run("compare_runtimes.py", "--evaluations", 400)
    n = len(table_names(get_family("ofa_mbv3_w1.0")))
    assert out.count("(predicted)") == n
    assert out.count("where its own front has") == n * (n - 1)


def test_draw_architectures_draws_a_pick_a_runtime(run: Run, tmp_path: Path) -> None:
    out = run("draw_architectures.py", "--evaluations", 200, "--folder", tmp_path)
    names = table_names(get_family("ofa_mbv3_w1.0"))
    assert out.count("(predicted)") == len(names)
    drawn = {path.name for path in tmp_path.iterdir()}
    of_each = {f"{name}.{kind}.html" for name in names for kind in ("layers", "choices")}
    assert drawn == of_each | {"architectures.html", "fronts.html", "hypervolumes.html"}
    page = (tmp_path / "architectures.html").read_text(encoding="utf-8")
    assert all(f"{name}, " in page for name in names)


def test_dashboard_publishes_and_reports_again_and_again(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    for _ in range(2):
        out = run("dashboard.py", "--evaluations", 200, "--folder", tmp_path)
        assert len(re.findall(r"\(predicted(, top1 extrapolated)?\)", out)) == 4
        assert "7 figures are on the page" in out
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    # of the last picks alone: four at most, each kept for the study and for its trial
    assert 1 <= len(list((tmp_path / "files").iterdir())) <= 8


def test_own_runtime_is_compared_with_whole_subnets(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    out = run("own_runtime.py", "--rounds", 2, "--subnets", 3)
    assert "onnxruntime, not optimised, " in out
    assert (tmp_path / "own_runtime.json").stat().st_size > 10_000


def test_latency_of_this_device_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    arguments = ["--folder", tmp_path, "--supernet", "ofa_mbv3_fashion", "--rounds", 2]
    arguments += ["--compared", 3, "--evaluations", 400]
    first = run("latency_of_this_device.py", *arguments)
    assert "\ntable + " in first  # a kind of correction, which depends on the measurements
    assert "ofa_mbv3_fashion@28 | k" in first
    again = run("latency_of_this_device.py", *arguments)
    assert again.split("\n")[:3] == first.split("\n")[:3]  # nothing was measured again
    assert {"predicted.html", "macs.html"} <= {path.name for path in tmp_path.iterdir()}


def test_search_measured_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    arguments = ("--storage", f"sqlite:///{tmp_path}/a.db", "--trials", 7, "--startup", 5)
    for n in (7, 14):
        out = run("search_measured.py", *arguments)
        assert out.count(" ms (predicted ") == n - 5
        assert f"of {n} measured subnets are on their front" in out
        assert "(measured)" in out


def test_measure_batches_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    arguments = ("--storage", f"sqlite:///{tmp_path}/a.db", "--batches", 2, "--size", 2)
    for n in (4, 8):
        out = run("measure_batches.py", *arguments)
        assert out.count("(predicted ") == 4
        assert f"of {n} measured subnets" in out
        assert "(measured)" in out


class _Tracker:
    """What a tracker's package gives, and what is written to it."""

    def __init__(self) -> None:
        self.steps: dict[str, list[int]] = {}
        self.ended = 0
        self.trials: list[int] = []

    def log(self, values: dict[str, float], step: int) -> None:
        for name in values:
            self.steps.setdefault(name, []).append(step)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.log({name: value}, step)

    def finish(self) -> None:
        self.ended += 1

    def callback(self, *args: object, **options: object) -> Callable[..., None]:
        def call(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            assert study.directions[0].name == "MAXIMIZE"
            self.trials.append(trial.number)

        return call


def test_trackers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    board, flow, wandb = _Tracker(), _Tracker(), _Tracker()
    modules = {
        "torch.utils.tensorboard": {"SummaryWriter": lambda folder: board},
        "mlflow": {
            "set_tracking_uri": str,
            "start_run": lambda run_name: None,
            "log_metrics": flow.log,
            "end_run": flow.finish,
        },
        "wandb": {"init": lambda project, name: wandb},
        "optuna_integration": {},
        "optuna_integration.mlflow": {"MLflowCallback": flow.callback},
        "optuna_integration.wandb": {"WeightsAndBiasesCallback": wandb.callback},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    out = run("trackers.py", "tensorboard", "mlflow", "wandb")
    for tracker in (board, flow, wandb):
        assert tracker.steps["loss"] == tracker.steps["learning_rate"] == list(range(1, 13))
        assert tracker.steps["top1/smallest"] == tracker.steps["top1/largest"] == [6, 12]
    assert (flow.ended, wandb.ended) == (1, 1)
    assert flow.trials == wandb.trials == board.steps["latency_ms"] != []
    assert "predicted points" in out


def test_several_phones_go_on_where_they_stopped(run: Run, tmp_path: Path) -> None:
    for n in (12, 24):
        out = run("several_phones.py", "--storage", f"sqlite:///{tmp_path}/a.db", "--n", 12)
        measured = {name: int(k) for name, k in re.findall(r"(\S+) measured (\d+) subnets", out)}
        assert sum(measured.values()) == 12
        assert 0 < measured["unplugged"] <= 4
        assert f"of {n} are on their front" in out
        assert "(measured on phone-" in out


def _write_images(root: Path, *, n_classes: int, n: int, seed: int) -> Path:
    """Noise in folders, one a class, of sizes that photographs might have."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    rng = np.random.default_rng(seed)
    for label in range(n_classes):
        folder = root / f"n{label:08d}"
        folder.mkdir(parents=True)
        for i in range(n):
            size = (120, 90) if i % 2 else (80, 130)
            pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
            image.fromarray(pixels[..., 0] if i == 0 else pixels).save(folder / f"{i}.jpg")
    return root


def test_evaluate_imagenet_goes_on_where_it_stopped(run: Run, tmp_path: Path) -> None:
    train = _write_images(tmp_path / "train", n_classes=3, n=2, seed=0)
    val = _write_images(tmp_path / "val", n_classes=3, n=6, seed=1)
    weights = tmp_path / "ofa.pth"
    torch.manual_seed(0)
    supernet = load_supernet("ofa_mbv3_w1.0")
    with torch.no_grad():  # of a thousand classes, those that the images have: some are right
        supernet.classifier.linear.bias[3:] -= 1e3
    save_supernet(supernet, weights)
    arguments = (weights, train, val, "--calibration", 4, "--workers", 0, "--device", "cpu")
    first = run("evaluate_imagenet.py", *arguments, "--subnets", 5)
    assert first.count(" %  ofa_mbv3_w1.0@") == 5
    assert "fitted to 5 subnets" in first
    second = run("evaluate_imagenet.py", *arguments, "--subnets", 6)
    assert second.split("\n")[:2] == first.split("\n")[:2]
    assert int(re.search(r"fitted to (\d+) subnets", second)[1]) >= 6
    assert (tmp_path / "imagenet.accuracy.json").is_file()
    rows = read_measurements(f"sqlite:///{tmp_path}/imagenet.db", supernet.family, metric="top1")
    assert len({row.subnet for row in rows}) == len(rows) >= 6  # none twice, all of one setup
    assert {row.details["data"] for row in rows} == {"imagenet"}


def test_fine_tune_imagenet_writes_a_better_subnet(run: Run, tmp_path: Path) -> None:
    train = _write_images(tmp_path / "train", n_classes=2, n=3, seed=0)
    weights = tmp_path / "ofa.pth"
    torch.manual_seed(0)
    save_supernet(load_supernet("ofa_mbv3_w1.0"), weights)
    arguments = (
        weights,
        train,
        train,
        "--calibration",
        6,
        "--steps",
        4,
        "--batch",
        4,
        "--workers",
        0,
        "--learning-rate",
        0.02,
        "--device",
        "cpu",
    )
    out = run("fine_tune_imagenet.py", *arguments, "--latency-ms", 9)
    before, after = (float(x) for x in re.findall(r"(?:before|after): +([\d.]+) ", out))
    assert before < after  # of a thousand classes, two are learnt in no time
    assert (tmp_path / "tuned" / "net.config").is_file()


def test_evaluate_imagenet_crops_the_centre(
    tmp_path: Path, import_path: Callable[[Path], ModuleType]
) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    example = import_path(EXAMPLES / "evaluate_imagenet.py")
    pixels = np.zeros((300, 400, 3), dtype=np.uint8)
    pixels[120:180, 170:230] = 255  # in the centre
    crop = np.array(example.cropped(image.fromarray(pixels), 224))
    assert crop.shape == (224, 224, 3)
    bright = np.argwhere(crop[..., 0] > 128)
    np.testing.assert_allclose(bright.mean(axis=0), 111.5, atol=1)
    side = 60 * 256 / 300  # the shorter side has 224 / 0.875 pixels
    assert len(bright) == pytest.approx(side**2, rel=0.05)
    _write_images(tmp_path, n_classes=2, n=3, seed=0)
    (images, labels), *_ = example.load(tmp_path, None, 0, 64)
    assert images.shape == (6, 3, 64, 64)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_evaluate_in_workers_share_a_study(run: Run, tmp_path: Path) -> None:
    if not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    arguments = ("--workers", 2, "--trials", 2, "--images", 50)
    for n_trials in (4, 8):
        out = run("evaluate_in_workers.py", *arguments)
        assert f"{n_trials} trials" in out
        assert " M multiply-adds" in out
    family = mobilenet_v3_small_images("fashion", n_classes=10, in_channels=1, width=0.5)
    rows = read_measurements(f"sqlite:///{tmp_path}/fashion.db", family, metric="top1")
    assert 2 <= len(rows) <= 8


@pytest.mark.parametrize(("engine", "package"), [("processes", "torch"), ("dask", "distributed")])
def test_many_workers_evaluate_for_one_script(run: Run, engine: str, package: str) -> None:
    pytest.importorskip(package)
    out = run("many_workers.py", "--engine", engine, "--workers", 1, "--subnets", 2)
    assert "2 subnets evaluated" in out
    assert "ofa_mbv3_fashion@" in out
    again = run("many_workers.py", "--engine", engine, "--workers", 1, "--subnets", 2)
    assert again == out  # read from the database


def test_train_supernet_writes_a_supernet_that_loads(run: Run, tmp_path: Path) -> None:
    if not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    path, described = tmp_path / "trained.pth", tmp_path / "tiny.json"
    family = mobilenet_v3_small_images(
        "tiny", n_classes=10, in_channels=1, width=0.25, resolutions=(20,)
    )
    family.save(described)
    arguments = ("--family", described, "--out", path, "--steps", 2, "--tested", 100)
    out = run("train_supernet.py", *arguments)
    assert out.startswith("phase ")
    assert load_supernet(path).family == family
    assert run("train_supernet.py", *arguments) == out  # nothing was trained again


def test_deploy_modes_writes_what_it_picks(run: Run, tmp_path: Path) -> None:
    arguments = ("--steps", 2, "--subnets", 4, "--formats", "ofa", "torch_export")
    out = run("deploy_modes.py", "--folder", tmp_path, *arguments)
    assert "one switcher has" in out
    assert out.count("same class 100%") == 6
    for mode in ("full", "saver", "low"):
        metadata = read_metadata(tmp_path / mode)
        assert metadata["figures"][1]["kind"] == "measured"
        assert metadata["figures"][1]["runtime"] == "torch"
        assert load_exported(tmp_path / f"{mode}.pt2", trust=True) is not None


def test_fit_default_accuracy_makes_the_packaged_predictors(
    shared_data: Path,
    tmp_path: Path,
    import_path: Callable[[Path], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = import_path(EXAMPLES / "fit_default_accuracy.py")
    every = example.splits
    monkeypatch.setattr(example, "splits", lambda rows: {"random 0": every(rows)["random 0"]})
    below = shared_data / "ofa_mbv3_w1.0_resolutions" / "top1_128_160_192.csv"
    arguments = [shared_data / "ofa_mbv3_w1.0_measured", below, tmp_path]
    monkeypatch.setattr(sys, "argv", ["fit_default_accuracy.py", *map(str, arguments)])
    example.main()
    parts = ("random 0, 224 pixels", "random 0, below")
    out = capsys.readouterr().out
    assert [out.count(f"'left_out': '{part}'") for part in parts] == [2, 2]
    family = get_family("ofa_mbv3_w1.0")
    for path in (packaged_accuracy(family), packaged_accuracy(family, "linear")):
        assert path is not None
        fitted, packaged = (AccuracyPredictor.load(p) for p in (tmp_path / path.name, path))
        matrix = fitted.space.sample(50, seed=0)
        close = partial(np.testing.assert_allclose, atol=1e-6)  # last digits depend on the machine
        close(fitted.predict(matrix), packaged.predict(matrix))
        close(fitted.predict_std(matrix), packaged.predict_std(matrix))
        assert fitted.extrapolates(matrix).tolist() == packaged.extrapolates(matrix).tolist()
        stored, found = (
            {split.pop("left_out"): split for split in predictor.metadata["held_out"]["splits"]}
            for predictor in (packaged, fitted)
        )
        assert found == {part: pytest.approx(stored[part], rel=1e-3) for part in parts}


def test_package_fashion_writes_what_the_package_reads(run: Run, tmp_path: Path) -> None:
    family = "microcontroller_fashion"
    if not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    weights, folder = tmp_path / "fashion.pth", tmp_path / "data"
    folder.mkdir()
    save_supernet(packaged_supernet(family), weights)
    out = run("package_fashion.py", weights, folder, "--subnets", 8, "--images", 50, "--half")
    assert "Kendall tau of both halves" in out
    names = {f"{family}.{end}" for end in ("pth", "accuracy.json", "measured.csv")}
    assert {path.name for path in folder.iterdir()} == names
    space = SearchSpace(family)
    assert AccuracyPredictor.load(folder / f"{family}.accuracy.json").space == space
    packaged = Path(optuna_ofa.data.__file__).with_name(f"{family}.pth")
    assert (folder / packaged.name).stat().st_size == pytest.approx(
        packaged.stat().st_size, rel=0.01
    )


@pytest.mark.litert
def test_package_microcontroller_measures_a_front(run: Run, tmp_path: Path) -> None:
    arguments = ("--trials", 60, "--points", 2, "--images", 200)
    out = run("package_microcontroller.py", tmp_path, *arguments)
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["family"], found["n_images"]) == ("microcontroller_fashion", 200)
    assert [f"| {row['measured']['top1']:.2f} |" in out for row in found["points"]] == [True] * 2
    for row in found["points"]:
        assert row["measured"]["sram_kb"] <= row["predicted"]["sram_kb"]
        assert row["measured"]["top1"] == pytest.approx(row["top1_float32"], abs=10)


def test_package_images_makes_the_packaged_images(run: Run, tmp_path: Path) -> None:
    if not DEBIAN.is_dir():
        pytest.skip("the Debian package dataset-fashion-mnist is not installed")
    assert "500 training and 2,000 test images" in run("package_images.py", tmp_path)
    with (
        np.load(tmp_path / IMAGES) as made,
        np.load(Path(optuna_ofa.data.__file__).with_name(IMAGES)) as packaged,
    ):
        assert made.files == packaged.files
        for name in made.files:
            np.testing.assert_array_equal(made[name], packaged[name])


@pytest.fixture
def quickstart(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    import_path: Callable[[Path], ModuleType],
    _state: None,
) -> ModuleType:
    """The quickstart, shorter, where there is no browser to draw a picture."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    module = import_path(EXAMPLES / "quickstart.py")
    settings = MeasurementSettings(runtime="torch", n_rounds=3, max_spread=100)
    for name, value in {"N_TRIALS": 300, "N_MEASURED": 3, "SETTINGS": settings}.items():
        monkeypatch.setattr(module, name, value)

    def no_browser(*_: object, **__: object) -> None:
        raise RuntimeError("Kaleido requires Google Chrome to be installed.")

    monkeypatch.setattr(go.Figure, "write_image", no_browser)
    return module


def test_quickstart_keeps_limits_and_changes_nothing_the_second_time(
    quickstart: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    quickstart.main()
    first, trials = capsys.readouterr().out, _trials(tmp_path)
    _assert_limits_hold(first, quickstart.N_LIMITS, tmp_path / "runs")
    assert trials["quickstart.db"] == 300
    assert trials["measured.db"] == 300 + 3
    assert 200 <= trials["dashboard.db"] <= 205
    quickstart.main()
    second = capsys.readouterr().out
    assert _trials(tmp_path) == trials
    assert _table(second) == _table(first)
    assert second.count("has 300 trials of") == 2
    assert "has 3 measured subnets" in second
    assert not {"Searching", "Profiling", "Measuring"} & set(second.split())
    # what was measured is the same, to the last digit
    assert second.split("subnets measured;")[1] == first.split("subnets measured;")[1]


def _assert_limits_hold(out: str, n_limits: int, folder: Path) -> None:
    """Check what is printed and written of the predicted front."""
    assert len(_table(out)) == n_limits
    assert all(ms <= limit for limit, ms in _table(out))
    assert "requires Chrome or Chromium" in out
    assert not (folder / "front.png").exists()
    with (folder / "front.csv").open(encoding="utf-8", newline="") as file:
        subnets = [row["subnet"] for row in csv.DictReader(file)]
    assert f"{len(subnets)} subnets are on the predicted front" in out
    assert not any(subnet in out for subnet in subnets)
    assert all(re.match(r"ofa_mbv3_w1\.0@\d{3} \| k", subnet) for subnet in subnets)


def _trials(folder: Path) -> dict[str, int]:
    """Number of trials by database."""
    files = (folder / "runs").glob("*.db")
    return {
        file.name: len(optuna.load_study(study_name=None, storage=f"sqlite:///{file}").trials)
        for file in files
    }


def _table(out: str) -> list[tuple[float, float]]:
    """Limits and latencies as they are printed."""
    rows = re.findall(r"^ +([\d.]+) +[\d.]+ ± [\d.]+ +([\d.]+) ± [\d.]+$", out, re.MULTILINE)
    return [(float(limit), float(ms)) for limit, ms in rows]


def test_quickstart_ends_with_commands_that_run(
    quickstart: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(quickstart, "FAMILY", "ofa_mbv3_fashion")  # has fewer layers to measure
    path = packaged_table("cpu-torch", get_family("ofa_mbv3_fashion"))
    assert path is not None
    quickstart.say_how_to_go_on(LatencyTable.load(path))
    lines = capsys.readouterr().out.splitlines()[-3:]
    shorter = {"profile": ["--n-rounds", "2", "--max-spread", "100"]}
    for line in lines:
        program, command, *arguments = shlex.split(line)
        assert Path(program).name == "optuna-ofa"
        assert main([command, *arguments, *shorter.get(command, [])]) == 0, line
    assert (tmp_path / "runs" / "report.html").is_file()


def test_plain_table_prints_a_measured_front(tmp_path: Path, run: Run) -> None:
    lines = run("plain_table.py", "--trials", 12, "--epochs", 1).splitlines()
    assert lines[0] == "12 of 450 configurations were trained"
    assert all("(measured): perceptrons@layers=" in line for line in lines[1:-1])
    assert (tmp_path / "perceptrons.html").is_file()


@pytest.fixture
def folder_of_images(tmp_path: Path) -> Path:
    """Small images of three classes, which are noise."""
    random = np.random.default_rng(0)
    for label in range(3):
        folder = tmp_path / "images" / f"class{label}"
        folder.mkdir(parents=True)
        for i in range(30):
            pixels = random.integers(0, 256, (26, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "images"


@pytest.mark.parametrize("steps", [0, 3])
def test_own_network_becomes_a_supernet_with_a_measured_front(
    steps: int, run: Run, tmp_path: Path, folder_of_images: Path
) -> None:
    published = get_family("resnet20_cifar10")
    head = replace(published.head, n_classes=10 if steps else 3)
    family = replace(published, name="mine", resolutions=(20, 24), head=head)
    family.save(tmp_path / "mine.json")
    torch.manual_seed(0)
    network = Supernet(family).extract(SearchSpace(family).largest())
    torch.save(network.state_dict(), tmp_path / "network.pth")
    arguments = ["network.pth", folder_of_images, "--family", "mine.json", "--pixels", 24]
    sizes = ["--steps", steps, "--batch", 16, "--subnets", 12, "--trials", 200]
    out = run("own_network.py", *arguments, *sizes)
    assert "measured minus predicted" in out
    assert "(measured, n_macs exact, top1 on 18 images)" in out
    metadata = read_metadata(tmp_path / "runs" / "own_network" / "knee.safetensors")
    assert metadata["subnet"]["family"]["head"]["n_classes"] == 3
    supernet = load_supernet(tmp_path / "runs" / "own_network" / "supernet.pth")
    assert supernet.family.head.n_classes == 3
    if not steps:  # the largest subnet is the network
        images = torch.randn(2, 3, 24, 24)
        found = supernet.extract(SearchSpace(family).largest()).eval()(images)
        torch.testing.assert_close(found, network.eval()(images))


@pytest.mark.litert
def test_microcontroller_exports_what_the_board_has_room_for(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "micro"
    options = ("--board", "microbit_v2", "--reserve", 32, "--trials", 60, "--points", 2)
    out = run("microcontroller.py", *options, "--folder", folder)
    assert "for nRF52833 (128 kB SRAM, 512 kB flash)" in out
    assert "2 subnets measured" in out
    about = read_metadata(folder / "net.h")
    assert about["arena_bytes"] <= (128 - 32) * 1024
    assert f"arena of {about['arena_bytes']:,} bytes" in out
    assert (folder / "net.tflite").stat().st_size <= 512 * 1024
    (top1,) = [figure for figure in about["figures"] if figure["metric"] == "top1"]
    assert (top1["kind"], top1["precision"], top1["runtime"]) == ("measured", "int8", "litert")


def test_every_example_is_run_here() -> None:
    tests = (Path(__file__), Path(__file__).with_name("test_energy_meters.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in tests)
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert {name for name in scripts if f'"{name}"' not in text} == set()

"""The script that measures a folder where there is neither torch nor `optuna_ofa`."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import optuna_ofa.profiling.on_device as on_device
from optuna_ofa import LatencyPredictor, SearchSpace
from optuna_ofa.graphs import example_input, run_litert, write_litert, write_quantized_litert
from optuna_ofa.graphs._litert_file import compacted
from optuna_ofa.profiling import RuntimeSettings, export_profile, table_from_folder
from optuna_ofa.profiling._runtimes import MODULES
from optuna_ofa.profiling.on_device import LiteRT, by_layer
from optuna_ofa.profiling.on_device.__main__ import main
from optuna_ofa.profiling.on_device._tflite_parts import cut_into_layers
from optuna_ofa.space import subnet_layers

SOURCES = sorted(Path(on_device.__file__).parent.glob("*.py"))
# what a runtime and numpy consist of, by the names of their folders
NEEDED = {
    "onnxruntime": ("onnxruntime", "flatbuffers", "google", "packaging"),
    "ai_edge_litert": ("ai_edge_litert", "ai_edge_litert-*.dist-info", "flatbuffers"),
}
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 160]).restrict(depth=2, kernel=3, expand=3)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_imports_nothing_of_ours_and_no_torch_at_the_top(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(str(node.module))
        roots = {name.split(".")[0] for name in names}
        assert roots <= {"numpy", *sys.stdlib_module_names}


def device_python(folder: Path, module: str) -> Path:
    """Return the interpreter of an environment with a runtime and numpy alone."""
    pytest.importorskip(module, reason=f"{module} is not installed")
    venv.create(folder / "device", with_pip=False)
    (packages,) = (folder / "device").glob("lib/python*/site-packages")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parents[1]
    for pattern in ("numpy", "numpy.libs", *NEEDED[module]):
        for path in source.glob(pattern):
            (packages / path.name).symlink_to(path)
    return folder / "device" / "bin" / "python"


def run(python: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "runtime", ["onnxruntime", pytest.param("litert", marks=pytest.mark.litert)]
)
def test_a_folder_is_measured_without_torch(runtime: str, tmp_path: Path) -> None:
    folder, python = tmp_path / "graphs", device_python(tmp_path, MODULES.get(runtime, runtime))
    export_profile(SPACE, folder, runtime=runtime)
    for name in ("torch", "optuna_ofa", "onnx", "litert_torch"):
        assert run(python, "-c", f"import {name}", folder=folder).returncode != 0
    command = ("-m", "on_device", "--runtime", runtime, "--rounds", "3", ".")
    done = run(python, *command, folder=folder)
    assert done.returncode == 0, done.stderr
    assert "results are in" in done.stderr
    table = table_from_folder(folder, SPACE, max_spread=10)
    small, large = SPACE.to_matrix([SPACE.smallest(), SPACE.largest()])
    predictor = LatencyPredictor(table=table, space=SPACE)
    assert predictor.predict(small[None])[0] < predictor.predict(large[None])[0]


def test_the_script_says_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    export_profile(SPACE, tmp_path)
    broken = json.loads((tmp_path / "manifest.json").read_text())["graphs"][1]["file"]
    (tmp_path / broken).write_bytes(b"no graph")
    monkeypatch.setattr(sys, "argv", ["on_device", str(tmp_path), "--rounds", "2"])
    main()
    assert f"{broken} failed: " in capsys.readouterr().err
    results = json.loads((tmp_path / "results.json").read_text())
    assert "error" in results["graphs"][broken]
    assert sum("error" in g for g in results["graphs"].values()) == 1


@pytest.mark.litert
@pytest.mark.parametrize("write", [write_litert, write_quantized_litert], ids=["float32", "int8"])
def test_the_layers_of_a_file_compute_what_it_does(write: Any, tmp_path: Path) -> None:
    layers, path = subnet_layers(SPACE.largest()), tmp_path / "net.tflite"
    write(layers, path, 1)
    x = images = example_input(layers, 1)
    parts = list(cut_into_layers(path))
    assert [name.split("/")[0] for name, _ in parts] == [f"{i:02d}" for i in range(len(layers))]
    for _, content in parts:
        x = run_litert(content)(x)
    torch.testing.assert_close(x, run_litert(path.read_bytes())(images), atol=1e-4, rtol=1e-4)


@pytest.mark.litert
def test_every_layer_of_litert_has_a_time_in_every_run(tmp_path: Path) -> None:
    layers, path = subnet_layers(SPACE.largest()), tmp_path / "net.tflite"
    write_litert(layers, path, 1)
    network = LiteRT(RuntimeSettings()).load(path, profile=True)
    for _ in range(3):
        network.run()
    runs = network.layer_times()
    assert len(runs) == 3
    times = np.median([by_layer(run, len(layers)) for run in runs], axis=0)
    assert (times[1:3] > 0).all()
    assert np.isfinite(times).all()


@pytest.mark.litert
def test_files_without_names_of_layers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tflite"
    write_litert(subnet_layers(SPACE.smallest()), path, 1)
    path.write_bytes(compacted(path.read_bytes()))
    with pytest.raises(ValueError, match=r"other\.tflite has operators whose names do not say"):
        list(cut_into_layers(path))

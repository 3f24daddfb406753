"""The script that measures a folder where there is neither torch nor `optuna_ofa`."""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import optuna_ofa.profiling.on_device as on_device
from optuna_ofa import LatencyPredictor, SearchSpace
from optuna_ofa.profiling import export_profile, table_from_folder
from optuna_ofa.profiling.on_device.__main__ import main

SOURCES = sorted(Path(on_device.__file__).parent.glob("*.py"))
# what ONNX Runtime and numpy consist of, by the names of their folders
NEEDED = ("numpy", "numpy.libs", "onnxruntime", "flatbuffers", "google", "packaging")
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 96]).restrict(depth=2, kernel=3, expand=3)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_imports_nothing_of_ours_and_no_torch_at_the_top(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(str(node.module))
        roots = {name.split(".")[0] for name in names}
        assert roots <= {"numpy", *sys.stdlib_module_names}


@pytest.fixture
def device_python(tmp_path: Path) -> Path:
    """The interpreter of an environment with ONNX Runtime and numpy alone."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    venv.create(tmp_path / "device", with_pip=False)
    (packages,) = (tmp_path / "device").glob("lib/python*/site-packages")
    spec = importlib.util.find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).parents[1]
    for name in NEEDED:
        if (source / name).exists():
            (packages / name).symlink_to(source / name)
    return tmp_path / "device" / "bin" / "python"


def run(python: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_folder_is_measured_without_torch(device_python: Path, tmp_path: Path) -> None:
    folder = tmp_path / "graphs"
    export_profile(SPACE, folder)
    for name in ("torch", "optuna_ofa", "onnx"):
        assert run(device_python, "-c", f"import {name}", folder=folder).returncode != 0
    done = run(device_python, "-m", "on_device", "--rounds", "3", ".", folder=folder)
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

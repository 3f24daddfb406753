"""The examples run as their users run them; `.ci/run` runs the quickstart itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optuna_ofa import get_family, load_supernet
from optuna_ofa.data import table_names

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def _run(folder: Path, script: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_search_published_prices_each_pick_on_both_devices(
    shared_data: Path, tmp_path: Path
) -> None:
    out = _run(tmp_path, "search_published.py", "--data", shared_data, "--evaluations", 400)
    assert out.count("(predicted)") == 6
    assert "note10's pick on i7-8700k" in out


def test_compare_runtimes_prices_each_pick_on_the_others(tmp_path: Path) -> None:
    out = _run(tmp_path, "compare_runtimes.py", "--evaluations", 400)
    n = len(table_names(get_family("ofa_mbv3_w1.0")))
    assert out.count("(predicted)") == n
    assert out.count("where its own front has") == n * (n - 1)


def test_own_runtime_is_compared_with_whole_subnets(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    out = _run(tmp_path, "own_runtime.py", "--rounds", 2, "--subnets", 3)
    assert "onnxruntime, not optimised on" in out
    assert (tmp_path / "own_runtime.json").stat().st_size > 10_000


def test_latency_of_this_device_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    arguments = ("--folder", tmp_path, "--rounds", 2, "--compared", 3, "--evaluations", 400)
    first = _run(tmp_path, "latency_of_this_device.py", *arguments)
    assert "table + affine" in first
    assert "ofa_mbv3_w1.0@224 | k" in first
    again = _run(tmp_path, "latency_of_this_device.py", *arguments)
    assert again.split("\n")[:3] == first.split("\n")[:3]  # nothing was measured again
    assert {"predicted.html", "macs.html"} <= {path.name for path in tmp_path.iterdir()}


def test_measure_batches_goes_on_where_it_stopped(tmp_path: Path) -> None:
    arguments = ("--storage", f"sqlite:///{tmp_path}/a.db", "--batches", 2, "--size", 2)
    for n in (4, 8):
        out = _run(tmp_path, "measure_batches.py", *arguments)
        assert out.count("(predicted ") == 4
        assert f"of {n} measured subnets" in out
        assert "(evaluated)" in out


def test_train_supernet_writes_a_supernet_that_loads(tmp_path: Path) -> None:
    if not FASHION_MNIST.is_dir():
        pytest.skip(f"Fashion-MNIST is not at {FASHION_MNIST}")
    path = tmp_path / "trained.pth"
    arguments = ("--out", path, "--steps", 2, "--tested", 100)
    out = _run(tmp_path, "train_supernet.py", *arguments)
    assert out.startswith("phase ")
    assert load_supernet("ofa_mbv3_fashion", weights=path).family.name == "ofa_mbv3_fashion"
    assert _run(tmp_path, "train_supernet.py", *arguments) == out  # nothing was trained again

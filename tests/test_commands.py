"""The command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from optuna_ofa import LatencyTable
from optuna_ofa._commands import main

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna_ofa.NoisyDeviceWarning"),
    pytest.mark.filterwarnings("ignore::optuna_ofa.ExtrapolationWarning"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two tiny resolutions, profiled by the command."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    out = tmp_path_factory.mktemp("tables") / "phone.json"
    arguments = "--n-rounds 2 --max-spread 10 --resolutions 128 224"
    main(["profile", "--supernet", "ofa_mbv3_w1.0", "--out", str(out), *arguments.split()])
    return out


def test_profile_writes_a_table(table: Path) -> None:
    found = LatencyTable.load(table)
    assert found.resolutions == (128, 224)
    assert found.metadata["runtime"] == "onnxruntime"


def test_report_compares_with_fresh_subnets(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["report", "--supernet", "ofa_mbv3_w1.0", "--table", str(table), "--n", "3",
          "--n-rounds", "2", "--storage", f"sqlite:///{tmp_path}/a.db"])  # fmt: skip
    out = capsys.readouterr().out
    for name in ("table", "MACs", "measured again"):
        assert f"\n{name}" in out


def test_measure_prints_each_subnet(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    main(["measure", "--supernet", "ofa_mbv3_w1.0", "--n", "2", "--n-rounds", "2"])
    assert capsys.readouterr().out.count(" ms  ofa_mbv3_w1.0@") == 2


def test_export_and_collect_need_a_device_between(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    family = ["--supernet", "ofa_mbv3_w1.0"]
    main(["export", str(tmp_path), *family, "--resolutions", "64"])
    with pytest.raises(SystemExit, match=r"error: `folder` must have a results\.json"):
        main(["collect", str(tmp_path), *family, "--out", str(tmp_path / "t.json")])


def test_errors_are_printed_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "optuna_ofa", "profile", "--supernet", "resnet18",
               "--out", str(tmp_path / "t.json")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: `family` must be one of")

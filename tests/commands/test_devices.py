"""The commands that measure: profile, compare, measure, graphs, collect."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from optuna_ofa import LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.commands import main

pytestmark = [
    pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.NoisyDeviceWarning"),
    pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.ExtrapolationWarning"),
]
FAMILY = ("--supernet", "ofa_mbv3_fashion")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two tiny resolutions, profiled by the command."""
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    out = tmp_path_factory.mktemp("tables") / "phone.json"
    arguments = "--n-rounds 2 --max-spread 10 --resolutions 20 28"
    assert main(["profile", *FAMILY, "--out", str(out), *arguments.split()]) == 0
    return out


def test_profile_writes_a_table(table: Path) -> None:
    found = LatencyTable.load(table)
    assert found.resolutions == (20, 28)
    assert found.metadata["runtime"] == "onnxruntime"


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_compare_measures_fresh_subnets_twice(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/a.db", *["--json"] * as_json)
    command = ["compare", *FAMILY, "--table", str(table), "--n", "3", "--n-rounds", "2"]
    assert main([*command, *storage]) == 0
    out = capsys.readouterr().out
    names = ["table", "MACs", "measured again"]
    if as_json:
        assert [row["name"] for row in json.loads(out)["rows"]] == names
    else:
        assert all(f"\n{name}" in out for name in names)


def test_compare_refuses_another_runtime(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *FAMILY, "--table", str(table), "--runtime", "torch"]) == 1
    assert "--runtime torch: must be that of the table" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_measure_prints_each_subnet(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    assert main(["measure", *FAMILY, "--n", "2", "--n-rounds", "2", *["--json"] * as_json]) == 0
    out = capsys.readouterr().out
    if as_json:
        data = json.loads(out)
        assert data["setup"]["runtime"] == "onnxruntime"
        assert [0 < row["latency_ms"] < 60_000 for row in data["subnets"]] == [True, True]
        assert len({str(row["subnet"]) for row in data["subnets"]}) == 2
    else:
        assert out.count(" ms  ofa_mbv3_fashion@") == 2


def test_measure_chooses_the_subnets_to_fit_to(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    arguments = [*FAMILY, "--n", "2", "--n-rounds", "2", "--choose", "--seed", "1", "--json"]
    assert main(["measure", *arguments]) == 0
    rows = json.loads(capsys.readouterr().out)["subnets"]
    space = SearchSpace(FAMILY[1])
    chosen = space.from_matrix(NetworkLatencyPredictor.choose(space, 2, seed=1))
    assert [row["subnet"] for row in rows] == [subnet.to_dict() for subnet in chosen]


def test_graphs_and_collect_need_a_device_between(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="onnx is not installed")
    assert main(["graphs", str(tmp_path), *FAMILY, "--resolutions", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["folder"] == str(tmp_path)
    assert main(["collect", str(tmp_path), *FAMILY, "--out", str(tmp_path / "t.json")]) == 1
    assert capsys.readouterr().err.startswith(f"error: FOLDER {tmp_path}: must have a results.json")

"""Tables and predictors from documented samples of tools, with the times of a known device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import LatencyPredictor
from optuna_ofa.commands import main
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
)
from optuna_ofa.predictors import LatencyTable, NetworkLatencyPredictor
from optuna_ofa.profiling import collect_results
from optuna_ofa.space import subnet_layers
from tests.profiling.farms.conftest import SPACE, Farm, true_ms

# as tensorflow/lite/tools/benchmark/README.md shows the output, and
# https://github.com/tensorflow/tensorflow/issues/42507 has it from a phone
_HEAD = (
    "\t             [node type]\t          [start]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t"
    "  [mem KB]\t[times called]\t[Name]"
)
_LITERT = """STARTING!
Num threads: [1]
Enable op profiling: [1]
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

count=50 first={us} curr={us} min={us} max={us} avg={us} std={std}

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, Inference \
(avg): {us}
Profiling Info for Benchmark Initialization:
============================== Run Order ==============================
{head}
\t         AllocateTensors\t            0.000\t    1.356\t    1.356\t100.000%\t100.000%\t\
     0.000\t        1\tAllocateTensors/0

Operator-wise Profiling Info for Regular Benchmark Runs:
============================== Run Order ==============================
{head}
{rows}

============================== Top by Computation Time ==============================
{head}
{rows}
Number of nodes executed: 2
"""


def _litert(times: list[float], name: str = "[{i:02d}/depth.{i}]:{i}") -> str:
    row = (
        "\t       DEPTHWISE_CONV_2D\t            0.000\t    1.000\t{ms:9.6f}\t  1.000%\t"
        "  1.000%\t     0.000\t        2\t{name}"
    )
    rows = [row.format(ms=ms / 2, name=name.format(i=i)) for i, ms in enumerate(times)]
    us = sum(times) * 1000
    return _LITERT.format(us=f"{us:.3f}", std=f"{us / 100:.1f}", head=_HEAD, rows="\n".join(rows))


def _aihub(times: list[float]) -> str:
    # the fields are those of `qai_hub`'s own test of `download_profile`
    detail = [
        {
            "compute_unit": "NPU",
            "execution_cycles": 180315,
            "execution_time": round(ms * 1e3),
            "name": f"_{i:02d}_point_{i}",
            "type": "CONV_2D",
        }
        for i, ms in enumerate(times)
    ]
    us = round(sum(times) * 1e3)
    summary = {
        "estimated_inference_time": us,
        "estimated_inference_peak_memory": 2658496,
        "first_load_time": 1374293,
        "all_inference_times": [2 * us, us - 1, us, us + 1],
    }
    return json.dumps({"execution_summary": summary, "execution_detail": detail})


def _onnxruntime(times: list[float]) -> str:
    events: list[dict[str, Any]] = []
    start = 0
    for slower in (9, 1, 1):  # the first run does not count
        run = start
        for i, ms in enumerate(times):
            event = {"cat": "Node", "name": f"{i:02d}/conv.{i}_kernel_time", "ts": start}
            events.append({**event, "dur": round(ms * 1000 * slower)})
            start += round(ms * 1000 * slower)
        events.append({"cat": "Session", "name": "model_run", "ts": run, "dur": start - run})
        start += 10
    return json.dumps(events)


def _executorch(times: list[float]) -> str:
    ms = sum(times)
    raw = f'"[{9 * ms}, {ms}, {ms}]"'
    return (
        ",event_block_name,event_name,raw,avg (ms)\n"
        f"0,Default,Method::init,[1.3],1.3\n1,Execute,Method::execute,{raw},{ms}\n"
    )


_TOOLS = {
    "litert": (".txt", _litert),
    "aihub": (".json", _aihub),
    "onnxruntime": (".json", _onnxruntime),
}


@pytest.mark.parametrize("format", _TOOLS)
def test_times_of_operators_become_a_table(farm: Farm, format: Any) -> None:
    farm.write(*_TOOLS[format])
    table = collect_results(farm.folder, format, device="a phone")
    assert isinstance(table, LatencyTable)
    assert (table.metadata["processor"], table.metadata["runtime"]) == ("a phone", format)
    matrix = SPACE.sample(20, seed=0)
    predicted = LatencyPredictor(table=table, space=SPACE).predict(matrix)
    true = [sum(map(true_ms, subnet_layers(s))) for s in SPACE.from_matrix(matrix)]
    np.testing.assert_allclose(predicted, true, rtol=2e-3)


def test_graphs_of_layers_become_a_table_without_times_of_operators(farm_of_layers: Farm) -> None:
    farm_of_layers.write(".csv", _executorch)
    table = collect_results(farm_of_layers.folder, "executorch")
    assert isinstance(table, LatencyTable)
    matrix = SPACE.sample(20, seed=0)
    predicted = LatencyPredictor(table=table, space=SPACE).predict(matrix)
    true = [sum(map(true_ms, subnet_layers(s))) for s in SPACE.from_matrix(matrix)]
    np.testing.assert_allclose(predicted, true, rtol=1e-6)


def test_whole_networks_become_a_predictor(farm_of_subnets: Farm, tmp_path: Path) -> None:
    farm_of_subnets.write(".csv", _executorch)
    predictor = collect_results(farm_of_subnets.folder, "executorch", SPACE)
    assert isinstance(predictor, NetworkLatencyPredictor)
    matrix = SPACE.sample(50, seed=9)
    true = [sum(map(true_ms, subnet_layers(s))) for s in SPACE.from_matrix(matrix)]
    np.testing.assert_allclose(predictor.predict(matrix), true, rtol=0.05)
    predictor.save(tmp_path / "p.json")
    assert NetworkLatencyPredictor.load(tmp_path / "p.json").metadata["collected"] is True


def test_names_without_layers_leave_whole_networks(farm: Farm) -> None:
    farm.write(".log", lambda times: _litert(times, "[Identity_{i}]:{i}"))
    with (
        pytest.warns(FailedMeasurementWarning, match="names of operators do not say"),
        pytest.raises(InvalidArgumentError, match="rows or more to fit to"),
    ):
        collect_results(farm.folder, "litert", SPACE)


def test_several_runs_of_a_graph_count_by_their_median(farm: Farm) -> None:
    one = collect_results(_written(farm), "litert")
    file = farm.first(".txt")
    fast = file.read_text(encoding="utf-8")
    file.with_name(f"{file.stem}-again.txt").write_text(fast, encoding="utf-8")
    slow = file.with_name(f"{file.stem}-slow.txt")
    slow.write_text(_litert([900.0]), encoding="utf-8")
    three = collect_results(farm.folder, "litert")
    assert isinstance(one, LatencyTable)
    assert isinstance(three, LatencyTable)
    matrix = SPACE.sample(5, seed=0)
    first, second = (LatencyPredictor(table=t, space=SPACE).predict(matrix) for t in (one, three))
    np.testing.assert_allclose(first, second, rtol=0.02)


def _written(farm: Farm) -> Path:
    farm.write(".txt", _litert)
    return farm.folder


def test_a_graph_without_a_result_is_named(farm: Farm) -> None:
    _written(farm)
    missing = farm.first(".txt")
    missing.unlink()
    with pytest.warns(FailedMeasurementWarning, match=f"1 of .* no result: {missing.stem}"):
        table = collect_results(farm.folder, "litert")
    assert table.metadata["failures"] == {f"{missing.stem}.layers.json": "no result"}


def test_results_of_unknown_graphs_are_refused(farm: Farm) -> None:
    _written(farm)
    (farm.folder / "mobilenet.txt").write_text("", encoding="utf-8")
    with pytest.raises(FormatError, match=r"named after its graphs.*mobilenet\.txt is of none"):
        collect_results(farm.folder, "litert")


def test_a_folder_without_results_is_refused(farm: Farm) -> None:
    with pytest.raises(FormatError, match=r"results in files that end in \.txt or \.log"):
        collect_results(farm.folder, "litert")


_BAD = {
    "truncated LiteRT": ("litert", ".txt", "STARTING!\n", "has 0 lines `Inference timings"),
    "seconds": (
        "litert",
        ".txt",
        "Inference timings in seconds: Init: 1, Inference (avg): 2",
        "in 'seconds', not in s, ms, us, ns",
    ),
    "negative": ("litert", ".txt", _litert([-1.0]), r"must be positive, at most 600,000 ms"),
    "NaN": ("litert", ".txt", _litert([np.nan]), "must be positive, at most 600,000 ms, not nan"),
    "truncated JSON": ("onnxruntime", ".json", _onnxruntime([1.0])[:-9], "must be JSON"),
    "no run": ("onnxruntime", ".json", "[]", "has no runs"),
    "no list": ("onnxruntime", ".json", "{}", "not a list of events"),
    "negative operator": (
        "onnxruntime",
        ".json",
        '[{"cat": "Node", "name": "00/conv_kernel_time", "ts": 0, "dur": -1},'
        ' {"name": "model_run", "ts": 0, "dur": 5}]',
        "the time of 00/conv must be 0 or more",
    ),
    "no summary": ("aihub", ".json", "{}", "has no 'execution_summary'"),
    "no time": ("aihub", ".json", '{"execution_summary": {}}', "has no 'estimated_inference_time'"),
    "text for a time": (
        "aihub",
        ".json",
        '{"execution_summary": {"estimated_inference_time": "fast"}}',
        "must be a number, not 'fast'",
    ),
    "ETDump": ("executorch", ".etdp", "ED00", "an ETDump is binary"),
    "cycles": ("executorch", ".csv", "event_name,avg (cycles)\n", "in 'cycles', not in"),
    "two methods": (
        "executorch",
        ".csv",
        "event_name,avg (ms)\n" + "Method::execute,1\n" * 2,
        "2 events Method::execute",
    ),
    "percentiles": (
        "openvino",
        ".csv",
        "Execution results\nlatency (90 percentile) (ms);3\n",
        r"neither `latency \(ms\)` nor `avg latency`, only latency \(90 percentile\)",
    ),
    "operators only": (
        "openvino",
        ".csv",
        "layerName;execStatus;realTime (ms)\n00/conv.0;Status.EXECUTED;1\n",
        "only times of operators",
    ),
    "JSON of one operator": (
        "openvino",
        ".json",
        '{"avg_performance": {"nodes": [{"name": "input", "real_time": "0.000"}]}}',
        "so that it writes CSV",
    ),
}


@pytest.mark.filterwarnings("ignore::optuna_ofa.exceptions.FailedMeasurementWarning")
@pytest.mark.parametrize("case", _BAD)
def test_damaged_results_are_refused(farm: Farm, case: str) -> None:
    format, suffix, text, message = _BAD[case]
    farm.first(suffix).write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=message):
        collect_results(farm.folder, format)  # type: ignore[arg-type]


def test_another_family_is_refused(farm: Farm) -> None:
    with pytest.raises(FamilyMismatchError, match=r"ofa_mbv3_w1\.2"):
        collect_results(_written(farm), "litert", "ofa_mbv3_w1.2")


def test_an_unknown_format_is_refused(farm: Farm) -> None:
    with pytest.raises(InvalidArgumentError, match="`format` must be"):
        collect_results(farm.folder, "coreml")  # type: ignore[arg-type]


def test_the_command_writes_the_table(farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    out = farm.folder.parent / "phone.json"
    words = ["collect", str(_written(farm)), "--format", "litert", "--device", "a phone"]
    assert main([*words, "--out", str(out)]) == 0
    assert f"saved to {out}" in capsys.readouterr().out
    assert LatencyTable.load(out).metadata["processor"] == "a phone"
    own = ["collect", str(farm.folder), "--device", "a phone", "--out", str(out)]
    assert main(own) == 1
    assert "--device" in capsys.readouterr().err

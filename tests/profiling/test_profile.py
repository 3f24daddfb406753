"""From a device to a table."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa import (
    LatencyPredictor,
    LatencyTable,
    MeasurementSettings,
    SearchSpace,
    measure,
    profile,
)
from optuna_ofa.costs import LayerSum
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    MeasurementError,
    MissingDependencyError,
    MissingEntryError,
    NoisyDeviceError,
)
from optuna_ofa.profiling import (
    GRAPHS_AT_ONCE,
    RuntimeSettings,
    _profile,
    export_profile,
    table_from_folder,
)
from optuna_ofa.profiling._graph_folder import Graph
from optuna_ofa.profiling._profile import script_errors
from optuna_ofa.profiling._results import FORMAT, SETUP, Results, Timing, read_results
from optuna_ofa.profiling._runtimes import MODULES
from optuna_ofa.profiling._table import layer_entries
from optuna_ofa.profiling.on_device import (
    RESULTS,
    DeviceError,
    OnnxRuntime,
    _rounds,
    measure_folder,
)
from optuna_ofa.space import Family, Layer, families, mobilenet_v3_small_images, subnet_layers

RUNTIMES = ["onnxruntime", "openvino", "torch", pytest.param("litert", marks=pytest.mark.litert)]


def expected_ms(space: SearchSpace, price: Callable[[Layer], float], scale: float) -> Any:
    matrix = space.sample(50, seed=1)
    return matrix, LayerSum(space, lambda layer, _: scale * price(layer))(matrix)


@pytest.mark.parametrize("profiles", [True, False], ids=["networks", "layers"])
def test_drift_and_the_cost_of_profiling_are_divided_away(
    make_device: Any, space: SearchSpace, price: Callable[[Layer], float], profiles: bool
) -> None:
    device = make_device(profiles=profiles)
    table = profile(space, MeasurementSettings(runtime=device, n_rounds=3))
    assert table.metadata["method"] == ("networks" if profiles else "layers")
    predictor = LatencyPredictor(table=table, space=space)  # 96 pixels are interpolated
    matrix, expected = expected_ms(space, price, 1.0)
    ratio = predictor.predict(matrix) / expected
    # the level is the anchor's, somewhere between the cold and the hot device
    assert 1 < ratio.mean() < 1.5
    if profiles:
        np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-2)


@pytest.mark.parametrize("beyond", [{"call_ms": 0.002}, {"cold_ms": 0.04}], ids=["calls", "caches"])
def test_layers_alone_add_up_to_whole_networks(
    beyond: dict[str, float], make_device: Any, space: SearchSpace, price: Callable[[Layer], float]
) -> None:
    space = space.restrict(resolution=[64, 128])
    device = make_device(profiles=False, drift=0, **beyond)
    table = profile(space, MeasurementSettings(runtime=device, n_rounds=3))
    matrix = space.sample(20, seed=1)
    measured = measure(
        space,
        matrix,
        MeasurementSettings(runtime=device, n_rounds=3),
        anchor_ms=table.metadata["anchor_ms"],
    )
    predicted = LatencyPredictor(table=table, space=space).predict(matrix)
    ratio = predicted / measured.latency_ms  # 6 to 10 % off without
    assert abs(ratio.mean() - 1) < 0.02
    np.testing.assert_allclose(ratio, 1, rtol=0.06)


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
def test_every_family_gets_a_table(
    family: Family, make_device: Any, price: Callable[[Layer], float]
) -> None:
    space = SearchSpace(family, resolution=[64, 80, 96])
    if len(family.width_mults) > 1:
        space = space.restrict(width=[0, 2])
    table = profile(space, MeasurementSettings(runtime=make_device(), n_rounds=1))
    matrix, expected = expected_ms(space, price, 1.0)
    ratio = LatencyPredictor(table=table, space=space).predict(matrix) / expected
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=0.05)


def test_says_how_it_was_measured(device: Any, space: SearchSpace, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    profile(space, MeasurementSettings(runtime=device, batch=2, n_rounds=3), out=out)
    metadata = LatencyTable.load(out).metadata
    assert metadata["runtime"] == "fake"
    assert metadata["versions"] == {"fake": "1"}
    assert metadata["settings"]["batch"] == 2
    assert {"processor", "date", "clock", "n_rounds", "noise_percent", "anchor_ms"} <= set(metadata)
    assert [path.name for path in tmp_path.iterdir()] == ["table.json"]


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_files_of_others_beside_the_graphs_are_kept(
    device: Any, space: SearchSpace, tmp_path: Path, linked: bool
) -> None:
    out, folder = tmp_path / "table.json", tmp_path / "table.json.graphs"
    place = tmp_path / "elsewhere" if linked else folder
    (place / "on_device").mkdir(parents=True)
    if linked:
        folder.symlink_to(place)
    own = [place / "notes.txt", place / "on_device" / "notes.txt", place / "0123456789abcdef.onnx"]
    for path in own:
        path.write_text("mine")
    profile(space, MeasurementSettings(runtime=device, n_rounds=1), out=out)
    assert sorted(path for path in place.rglob("*") if path.is_file()) == sorted(own)
    assert {path.read_text() for path in own} == {"mine"}
    for path in own:
        path.unlink()
    profile(space, MeasurementSettings(runtime=device, n_rounds=1), out=out)
    assert not list(place.iterdir()) if linked else not folder.exists()


@pytest.mark.parametrize("name", ["profile.json", "results.json"])
def test_files_of_others_are_not_overwritten(
    device: Any, space: SearchSpace, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "table.json.graphs" / name
    path.parent.mkdir()
    path.write_text("mine")
    with pytest.raises(InvalidArgumentError, match=r"`folder` must be new, .* no manifest\.json"):
        profile(space, MeasurementSettings(runtime=device), out=tmp_path / "table.json")
    assert path.read_text() == "mine"
    assert list(path.parent.iterdir()) == [path]


def test_entries_have_a_spread(device: Any, space: SearchSpace) -> None:
    table = profile(space, MeasurementSettings(runtime=device, n_rounds=3))
    for section in table.content.sections:
        for entry in section.entries.values():
            assert 0 < entry.min_ms <= entry.median_ms
            assert entry.n_runs > 0


def test_goes_on_where_it_was_interrupted(
    make_device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    space = space.restrict(resolution=[64, 128])
    stopped = make_device(profiles=False, stops_after=2 * GRAPHS_AT_ONCE)
    out = tmp_path / "t.json"
    with pytest.raises(KeyboardInterrupt):
        profile(space, MeasurementSettings(runtime=stopped, n_rounds=3), out=out)
    done = set(json.loads((tmp_path / "t.json.graphs/results.json").read_text())["graphs"])
    assert len(done) == GRAPHS_AT_ONCE
    fresh = make_device(profiles=False)
    table = profile(space, MeasurementSettings(runtime=fresh, n_rounds=3), out=out)
    assert not done & set(fresh.loaded)
    assert len(table) == len(profile(space, MeasurementSettings(runtime=make_device(), n_rounds=3)))


def test_results_of_another_setting_are_not_gone_on_with(
    make_device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    profile(space, MeasurementSettings(runtime=make_device(), n_rounds=3), folder=tmp_path / "f")
    with pytest.raises(InvalidArgumentError, match=r"has settings .*threads': 1.* remove it"):
        profile(space, MeasurementSettings(runtime=make_device(), threads=2), folder=tmp_path / "f")


def test_tells_what_is_done_and_the_time_left(
    device: Any, space: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_rounds, "_INTERVAL", -1.0)  # report every turn
    told: list[tuple[int, int, float]] = []
    export_profile(space, tmp_path, runtime=device)
    n = len(json.loads((tmp_path / "manifest.json").read_text())["graphs"]) - 1
    measure_folder(
        tmp_path, device, RuntimeSettings(), n_rounds=3, progress=lambda *t: told.append(t)
    )
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert {total for _, total, _ in told} == {n}
    assert told[-1][::2] == (n, 0.0)
    assert len(told) > n
    assert all(left >= 0 for _, _, left in told)


def test_several_threads_have_the_wall_clock(device: Any, space: SearchSpace) -> None:
    tables = [
        profile(space, MeasurementSettings(runtime=device, threads=threads, n_rounds=2))
        for threads in (1, 2)
    ]
    assert [table.metadata["clock"] for table in tables] == ["cpu", "wall"]


def test_a_noisy_device_is_refused(make_device: Any, space: SearchSpace) -> None:
    with pytest.raises(NoisyDeviceError, match=r"differ by \d+.*`max_spread` is 10\.0%.*`pin`"):
        profile(space, MeasurementSettings(runtime=make_device(noise=0.3), n_rounds=5))


def test_noise_that_has_passed_is_measured_again(
    make_device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    out = tmp_path / "table.json"
    with pytest.raises(NoisyDeviceError):
        profile(space, MeasurementSettings(runtime=make_device(noise=0.3), n_rounds=5), out=out)
    quiet = profile(space, MeasurementSettings(runtime=make_device(), n_rounds=5), out=out)
    assert quiet.metadata["noise_percent"] < 10
    assert out.exists()


def test_a_layer_that_fails_is_named_and_the_rest_goes_on(make_device: Any, tmp_path: Path) -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=[64, 128]).restrict(depth=2, kernel=[3, 7])
    device = make_device(profiles=False, breaks_on=7)
    table = profile(space, MeasurementSettings(runtime=device, n_rounds=3))
    assert all("no kernel of size 7" in reason for reason in table.metadata["failures"].values())
    with pytest.raises(MissingEntryError, match="kernel:7"):
        LatencyPredictor(table=table, space=space)
    LatencyPredictor(table=table, space=space.restrict(kernel=3))


def test_a_runtime_that_fails_on_the_anchor_is_refused(
    make_device: Any, space: SearchSpace
) -> None:
    with pytest.raises(MeasurementError, match=r"must run the anchor .*no kernel of size 5"):
        profile(space, MeasurementSettings(runtime=make_device(breaks_on=5), n_rounds=3))


def test_a_device_that_was_unplugged_is_gone_on_with(
    make_device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    settings = MeasurementSettings(runtime=make_device(dies_after=4, dies_with=OSError("gone")))
    with pytest.raises(MeasurementError, match=r"OSError: gone.*call again to continue"):
        profile(space, settings, folder=tmp_path)
    table = profile(space, MeasurementSettings(runtime=make_device(), n_rounds=3), folder=tmp_path)
    assert table.metadata["failures"] == {}


def test_a_table_that_cannot_be_written_is_refused_first(
    device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match="`out` must be a file"):
        profile(space, MeasurementSettings(runtime=device), out=tmp_path)
    assert not device.loaded


def test_a_graph_that_failed_is_tried_again(make_device: Any, tmp_path: Path) -> None:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=64).restrict(depth=2, kernel=[3, 7])
    settings = MeasurementSettings(runtime=make_device(profiles=False, breaks_on=7), n_rounds=3)
    assert profile(space, settings, folder=tmp_path).metadata["failures"]
    device = make_device(profiles=False)
    table = profile(space, MeasurementSettings(runtime=device, n_rounds=3), folder=tmp_path)
    assert table.metadata["failures"] == {}
    LatencyPredictor(table=table, space=space)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"runtime": "tflite"}, "`runtime` must be one of onnxruntime, .* but got 'tflite'"),
        ({"threads": 0}, "`threads` must be .* at least 1, but got 0"),
        ({"batch": 0}, "`batch` must be .* at least 1, but got 0"),
        ({"n_rounds": 0}, "`n_rounds` must be .* at least 1, but got 0"),
        ({"max_spread": 0.0}, r"`max_spread` must be a positive number, but got 0\.0"),
        ({"precision": "int4"}, "`precision` must be one of float32.* but got 'int4'"),
        ({"device": "cuda:7"}, "`device` must be 'cpu' for onnxruntime, but got 'cuda:7'"),
        ({"runtime": "torch", "precision": "int8"}, "`precision` must be one of .* for torch"),
        ({"runtime": "torch", "device": "cuda:99"}, "`device` must be .* here.* got 'cuda:99'"),
        ({"runtime": "torch", "device": "abacus"}, "`device` must be .* torch has.* 'abacus'"),
    ],
)
def test_bad_settings_are_refused(settings: Any, message: str, space: SearchSpace) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with pytest.raises(InvalidArgumentError, match=message):
        profile(space, MeasurementSettings(**settings))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resolutions": []}, "`resolutions` must be at least one"),
        ({"resolutions": [0, 128]}, r"`resolutions\[0\]` must be .*, but got 0"),
        ({"resolutions": [128, -32]}, r"`resolutions\[1\]` must be .*, but got -32"),
        ({"method": "blocks"}, "`method` must be one of .*'layers'.*, but got 'blocks'"),
    ],
)
def test_bad_arguments_are_refused(arguments: Any, message: str, space: SearchSpace) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with pytest.raises(InvalidArgumentError, match=message):
        profile(space, **arguments)


@pytest.mark.parametrize("runtime", ["openvino", "litert"])
def test_a_missing_runtime_names_its_extra(
    runtime: str, monkeypatch: pytest.MonkeyPatch, space: SearchSpace
) -> None:
    module = MODULES.get(runtime, runtime)
    monkeypatch.setitem(__import__("sys").modules, module, None)
    match = rf'`{module}` cannot .*pip install "optuna-ofa\[{runtime}\]"'
    with pytest.raises(MissingDependencyError, match=match):
        profile(space, MeasurementSettings(runtime=runtime))


def test_a_folder_of_another_family_is_refused(
    device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    export_profile(space, tmp_path / "f", runtime=device)
    with pytest.raises(FamilyMismatchError, match=r"manifest\.json is of ofa_mbv3_w1\.0: name"):
        table_from_folder(tmp_path / "f", "ofa_resnet50")


def test_a_folder_of_another_table_is_refused(device: Any, tmp_path: Path) -> None:
    spaces = [
        SearchSpace(mobilenet_v3_small_images("mine", n_classes=n), resolution=20) for n in (5, 10)
    ]
    settings = MeasurementSettings(runtime=device, n_rounds=2)
    profile(spaces[0], settings, folder=tmp_path)
    with pytest.raises(FamilyMismatchError, match="n_classes of the head: 5 in the file, 10"):
        profile(spaces[1], settings, folder=tmp_path)
    with pytest.raises(FamilyMismatchError, match="n_classes of the head: 5 in the file, 10"):
        table_from_folder(tmp_path, spaces[1])
    assert table_from_folder(tmp_path).family == spaces[0].family


def test_a_folder_with_other_graphs_is_refused(
    device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    export_profile(space, tmp_path / "f", runtime=device)
    with pytest.raises(InvalidArgumentError, match="`folder` must be new, or have the same graphs"):
        export_profile(space, tmp_path / "f", runtime=device, batch=4)


def test_int8_needs_graphs_that_were_written_for_it(space: SearchSpace, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    space = space.restrict(resolution=64, kernel=3, expand=3)
    export_profile(space, tmp_path, precision="int8")
    with pytest.raises(InvalidArgumentError, match=r"`folder` must .* have the same graphs"):
        profile(space, folder=tmp_path)
    settings = RuntimeSettings(precision="float32")
    with pytest.raises(ValueError, match=r"`precision` must be int8, .* but got float32"):
        measure_folder(tmp_path, OnnxRuntime(settings), settings)
    table = profile(
        space, MeasurementSettings(precision="int8", n_rounds=2, max_spread=10), folder=tmp_path
    )
    assert table.metadata["settings"]["precision"] == "int8"
    assert LatencyPredictor(table=table, space=space).predict(space.sample(1, seed=0))[0] > 0


def test_int8_graphs_of_a_kind_that_has_none_are_refused(
    device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    with pytest.raises(InvalidArgumentError, match=r"one of \.onnx, \.tflite for int8"):
        export_profile(space, tmp_path, runtime=device, precision="int8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clock_ms": [1.0, float("nan")]}, "it has NaN"),
        ({"clock_ms": [1.0, -2.0]}, "clock_ms that is not positive, at most 600,000: -2"),
        ({"clock_ms": [1.0, 1e6]}, "clock_ms that is not positive, at most 600,000: 1e"),
        ({"anchor_ms": [0.0, 1.0]}, "not positive"),
        ({"wall_ms": "soon"}, "`wall_ms` of .* must be a list of finite numbers, but is .soon"),
        ({"wall_ms": [True, 1.0]}, "`wall_ms` of .* must be a list of finite numbers"),
        ({"layer_ms": [[1.0], [1.0, 2.0]]}, "`layer_ms` of .* must be lists of one length"),
        ({"layer_ms": [[1.0], [2.0]]}, "layers, but times of 1"),
        ({"layer_ms": [[0.0], [0.0]]}, "times of layers that are all 0"),
    ],
    ids=["nan", "negative", "ms", "zero", "text", "flag", "ragged", "layers", "zeros"],
)
def test_results_with_impossible_numbers_are_refused(
    change: dict[str, Any], message: str, device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    profile(space, MeasurementSettings(runtime=device, n_rounds=2), folder=tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    next(iter(results["graphs"].values())).update(change)
    (tmp_path / "results.json").write_text(json.dumps(results))
    with pytest.raises(FormatError, match=message):
        table_from_folder(tmp_path, space)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 5000, '{"format": "other"}'])
def test_results_that_are_none_are_refused(
    text: str, device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    profile(space, MeasurementSettings(runtime=device, n_rounds=2), folder=tmp_path)
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(FormatError, match=r"`folder` must .* .*results\.json"):
        table_from_folder(tmp_path, space)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("results.json", lambda data: data["graphs"].update(x=next(iter(data["graphs"].values())))),
        ("results.json", lambda data: data.update(graphs=[1])),
        ("manifest.json", lambda data: data["graphs"].pop()),
        ("manifest.json", lambda data: data.update(graphs={"a": 1})),
        ("manifest.json", lambda data: data["graphs"].append({"file": [], "layers": [{}]})),
        ("profile.json", lambda data: data.update(resolutions=["x"])),
        ("profile.json", lambda data: data.pop("method")),
    ],
    ids=["another graph", "list", "a graph less", "object", "layer", "resolution", "method"],
)
def test_files_that_do_not_belong_together_are_refused(
    name: str, change: Any, device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    profile(space, MeasurementSettings(runtime=device, n_rounds=2), folder=tmp_path)
    data = json.loads((tmp_path / name).read_text())
    change(data)
    (tmp_path / name).write_text(json.dumps(data))
    with pytest.raises((FormatError, InvalidArgumentError), match="must"):
        table_from_folder(tmp_path, space)


@pytest.mark.parametrize("content", ["[" * 5000, "{", '{"format": "optuna_ofa.results"}'])
def test_damaged_results_are_not_continued(
    content: str, device: Any, space: SearchSpace, tmp_path: Path
) -> None:
    profile(space, MeasurementSettings(runtime=device, n_rounds=2), folder=tmp_path)
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(FormatError, match=r"results\.json"):
        profile(space, MeasurementSettings(runtime=device, n_rounds=2), folder=tmp_path)
    assert (tmp_path / "results.json").read_text() == content


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_real_runtimes_give_tables_that_order_subnets(runtime: str, space: SearchSpace) -> None:
    module = MODULES.get(runtime, runtime)
    pytest.importorskip(module, reason=f"{module} is not installed")
    table = profile(space, MeasurementSettings(runtime=runtime, n_rounds=5, max_spread=10))
    ends = space.to_matrix([space.smallest(), space.largest()])
    small, large = LatencyPredictor(table=table, space=space).predict(ends)
    assert 0 < 1.1 * small < large


@pytest.mark.litert
def test_litert_writes_nothing_to_the_standard_error(tmp_path: Path) -> None:
    code = (
        "import optuna_ofa\n"
        "settings = optuna_ofa.MeasurementSettings(runtime='litert')\n"
        "runtime = settings.open_runtime()\n"
        "from pathlib import Path; import sys\n"
        "from optuna_ofa.graphs import write_litert\n"
        "from optuna_ofa.space import SearchSpace, subnet_layers\n"
        "layers = subnet_layers(SearchSpace('ofa_mbv3_fashion').smallest())\n"
        "write_litert(layers, Path(sys.argv[1]), 1)\n"
        "runtime.load(Path(sys.argv[1])).run()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "net.tflite")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FormatError("`folder` must be read"), FormatError),
        (NoisyDeviceError("too noisy"), NoisyDeviceError),
        (FamilyMismatchError("another table"), FamilyMismatchError),
        (ValueError("no such device"), InvalidArgumentError),
        (DeviceError("unplugged"), MeasurementError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_errors_of_the_script_become_ours_and_ours_stay(
    error: Exception, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=str(error)) as caught, script_errors():
        raise error
    assert type(caught.value) is kind


def test_an_error_while_measuring_is_raised(
    device: Any, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise FormatError("`folder` is damaged")

    monkeypatch.setattr(_profile, "measure_folder", fail)
    with pytest.raises(FormatError, match="`folder` is damaged"):
        profile(space, MeasurementSettings(runtime=device))


GRAPH = {
    "clock_ms": [4.0, 2.0, 6.0, 8.0, 10.0],
    "wall_ms": [5.0, 7.0, 6.0, 9.0, 8.0],
    "anchor_ms": [1.0, 1.0, 2.0, 2.0, 2.0],
}


def test_figures_of_a_timing(tmp_path: Path) -> None:
    setup = dict.fromkeys(SETUP, "x")
    graphs = {"a.onnx": GRAPH, "b.onnx": {"error": "too large"}}
    head = {"format": FORMAT.name, "version": 1}
    (tmp_path / RESULTS).write_text(json.dumps({**head, **setup, "date": "now", "graphs": graphs}))
    results = read_results(tmp_path)
    timing = results.timings["a.onnx"]
    # the ratios to the anchor are 4, 2, 3, 4 and 5, and its median is 2
    assert timing.latency_ms == pytest.approx(8.0)
    assert timing.std_ms == pytest.approx(0.7413 * (8.0 - 6.0))
    assert (timing.min_ms, timing.wall_ms, timing.n_rounds) == (2.0, 7.0, 5)
    assert (results.anchor_ms, results.failures) == (2.0, {"b.onnx": "too large"})
    assert results.busy == pytest.approx(7.0 / 8.0)
    assert results.relative_std == pytest.approx(timing.std_ms / 8.0)
    assert read_results(tmp_path, anchor_ms=1.0).timings["a.onnx"].latency_ms == 4.0


def test_figures_of_a_layer_in_networks() -> None:
    layer = subnet_layers(SearchSpace("ofa_mbv3_w1.0").smallest())[0]
    other = replace(layer, out_channels=layer.out_channels + 8)
    graphs = {f"{i}.onnx": Graph((layer, other), profiled=True) for i in range(2)}
    runs = [np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([[4.0, 4.0], [6.0, 6.0]])]
    timings = {
        f"{i}.onnx": Timing(2 * float(np.median(of[:, 0])), 0.1, 0.1, 9.0, 3, of)
        for i, of in enumerate(runs)
    }
    results = Results({"clock": "cpu"}, "now", 1.0, timings, {})
    entry = layer_entries(graphs, results)[layer]
    assert (entry.mean_ms, entry.median_ms, entry.min_ms) == (3.5, 3.0, 1.0)
    assert entry.n_runs == 5  # three in one network and two in the other
    assert entry.std_ms == pytest.approx(0.7413 * (4.0 - 2.0))

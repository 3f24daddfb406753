"""Files that run code where they are unpickled: no reader of the package runs it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import optuna_ofa
from optuna_ofa import profiling
from optuna_ofa.data import fashion_mnist, packaged_supernet
from optuna_ofa.deployment import FORMATS, export, load_exported, read_metadata
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.space import (
    SearchSpace,
    layers_from_net_config,
    read_measured_subnets,
    read_net_config,
    subnet_from_dialect,
    subnet_from_net_config,
)
from optuna_ofa.training import ProgressiveShrinking, train

NET = packaged_supernet()
FAMILY = NET.family
SPACE = SearchSpace(FAMILY)
MARKER = "it ran"
IMAGES = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long))]


class Runs:
    """Makes a file in the working directory when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: str) -> None:
        self._reduced = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


WRITES = f"open({MARKER!r}, 'w')"
OBJECTS = {
    "open": Runs(open, MARKER, "w"),
    "exec": Runs(exec, WRITES),
    "system": Runs(os.system, f"touch '{MARKER}'"),
}


@pytest.fixture(autouse=True)
def _nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / MARKER).exists()


def test_the_payloads_do_run(tmp_path: Path) -> None:
    for runs in OBJECTS.values():
        pickle.loads(pickle.dumps(runs))
        (tmp_path / MARKER).unlink()


def saved(content: object, *, legacy: bool = False) -> bytes:
    memory = io.BytesIO()
    torch.save(content, memory, _use_new_zipfile_serialization=not legacy)
    return memory.getvalue()


def array(content: object) -> bytes:
    memory = io.BytesIO()
    np.save(memory, np.array([content], dtype=object), allow_pickle=True)
    return memory.getvalue()


def script() -> bytes:
    memory = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), memory)
    return memory.getvalue()


def archive(**members: bytes) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as file:
        for name, content in members.items():
            file.writestr(name.replace("__", "/"), content)
    return memory.getvalue()


# what `torch.export.save` wrote until torch 2.7
OLDER_PROGRAM = {
    "version": b"8.2",
    "serialized_exported_program.json": b"{}",
    "serialized_state_dict.pt": saved({"weight": torch.zeros(2)}),
    "serialized_constants.pt": saved({}),
    "serialized_example_inputs.pt": saved(((torch.zeros(1),), {})),
}


@cache
def contents() -> dict[str, bytes]:
    """Files with a payload, by what they are."""
    found = {}
    runs = OBJECTS["open"]
    for protocol in (0, 2, 4):
        found[f"pickle {protocol}"] = pickle.dumps(runs, protocol)
    for name, other in OBJECTS.items():
        found[f"torch {name}"] = saved(other)
    found["legacy torch"] = saved(runs, legacy=True)
    weights = NET.state_dict()
    described = {"family": FAMILY.to_dict(), "dropout": 0.0}
    found |= {
        "weights and more": saved({**described, "state_dict": weights, "more": runs}),
        "a weight": saved({**described, "state_dict": {**weights, "classifier.bias": runs}}),
        "family": saved({"family": runs, "state_dict": weights}),
        "dropout": saved({"family": FAMILY.to_dict(), "dropout": runs, "state_dict": weights}),
        "training": saved({"format": "optuna_ofa.training/1", **described, "history": runs}),
        "predictor": saved({"0.weight": torch.zeros(1, 1), "0.bias": runs}),
        "array": array(runs),
        "script": script(),
        "archive": archive(data__pkl=pickle.dumps(runs), **{"data.pkl": pickle.dumps(runs)}),
        "python": f"__import__('os').system('touch {MARKER}')".encode(),
        "yaml": f"a: !!python/object/apply:os.system ['touch {MARKER}']".encode(),
        "json": json.dumps({"family": f"__import__('os').system('touch {MARKER}')"}).encode(),
    }
    return found


LOADS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "supernet": (".pth", optuna_ofa.load_supernet),
    "weights": (".pth", lambda path: optuna_ofa.load_supernet(FAMILY, weights=path)),
    "family": (".json", optuna_ofa.get_family),
    "space": (".pth", SearchSpace),
    "accuracy": (".pth", lambda path: optuna_ofa.AccuracyPredictor.load(path, family=FAMILY)),
    "accuracy json": (".json", optuna_ofa.AccuracyPredictor.load),
    "latency": (".json", optuna_ofa.NetworkLatencyPredictor.load),
    "table json": (".json", optuna_ofa.LatencyTable.load),
    "table yaml": (".yaml", optuna_ofa.LatencyTable.load),
    "hardware": (".yml", lambda path: optuna_ofa.study(SPACE, hardware=path)),
    "study": (".pth", lambda path: optuna_ofa.study(SPACE, accuracy=path)),
    "net.config": (".config", read_net_config),
    "layers": (".config", lambda path: layers_from_net_config(path, 28)),
    "subnet": (".config", subnet_from_net_config),
    "measured csv": (".csv", lambda path: read_measured_subnets(path, FAMILY)),
    "measured dict": (".dict", lambda path: read_measured_subnets(path, FAMILY)),
    "dialect": (".txt", lambda path: subnet_from_dialect(path.read_text("latin-1"), FAMILY)),
    "training": (
        ".pt",
        lambda path: train(NET, IMAGES, recipe=ProgressiveShrinking(n_steps=2), checkpoint=path),
    ),
    "metadata": (".pt2", read_metadata),
    "exported": (".pt2", lambda path: load_exported(path, trust=True)),
    "graphs": ("", profiling.table_from_folder),
    "images": ("", fashion_mnist),
}
# where a reader looks in a folder
PLACES = {
    "graphs": ("profile.json", "manifest.json", "results.json"),
    "images": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
}


@pytest.mark.parametrize("content", contents())
@pytest.mark.parametrize("load", LOADS)
def test_no_reader_runs_what_a_file_holds(tmp_path: Path, load: str, content: str) -> None:
    ending, read = LOADS[load]
    data = contents()[content]
    path = tmp_path / f"a{ending}"
    if load in PLACES:
        path.mkdir()
    for place in PLACES.get(load, ("",)):
        (path / place).write_bytes(data)
    Path(f"{path}.json").write_bytes(data)  # where metadata would be
    with pytest.raises(OptunaOFAError) as caught:
        read(path)
    assert len(str(caught.value)) < 1000


TAGS = [
    "!!python/none {}",
    "!!python/bool true",
    "!!python/str a",
    "!!python/bytes YQ==",
    "!!python/int 1",
    "!!python/complex 1j",
    "!!python/list [a]",
    "!!python/tuple [a]",
    "!!python/dict {a: 1}",
    "!!python/name:os.system a",
    "!!python/module:os a",
    "!!python/object:os.system {}",
    f"!!python/object/new:os.system ['touch {MARKER}']",
    f"!!python/object/apply:os.system ['touch {MARKER}']",
    f'!!python/object/apply:builtins.exec ["{WRITES}"]',
]


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".json"])
@pytest.mark.parametrize("tag", TAGS)
def test_tags_of_python_in_tables_are_refused(tmp_path: Path, tag: str, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    for text in (tag, f"a: {tag}", f"expanded_conv-input:1x1x1:\n  mean: {tag}\n  count: 1"):
        path.write_text(text)
        with pytest.raises(FormatError, match=r"a\.(yaml|yml|json)"):
            optuna_ofa.LatencyTable.load(path)
        with pytest.raises(OptunaOFAError):
            optuna_ofa.study(SPACE, hardware=tmp_path)


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest subnet in each format that needs no process of its own."""
    folder = tmp_path_factory.mktemp("exports")
    for format in ("pytorch", "torch_export", "onnx", "ofa"):
        path = folder / f"{format}{FORMATS[format].ending or ''}"
        export(NET, SPACE.smallest(), path, format=format, calibration=None)
    return folder


class TestExported:
    """Exports whose metadata fits what an attacker has put into them."""

    @pytest.fixture
    def folder(self, exports: Path, tmp_path: Path) -> Path:
        shutil.copytree(exports, tmp_path, dirs_exist_ok=True)
        return tmp_path

    @staticmethod
    def replace(path: Path, content: bytes, file: str = "", **metadata: Any) -> None:
        """Write a file of an export, and metadata that fits it."""
        (path / file).write_bytes(content)
        place = Path(f"{path}.json")
        written = json.loads(place.read_text())
        name = f"{path.name}/{file}" if file else path.name
        written["files"][name] = {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        place.write_text(json.dumps({**written, **metadata}))

    @pytest.mark.parametrize("format", ["pytorch", "torch_export", "onnx", "ofa"])
    @pytest.mark.parametrize("content", contents())
    def test_a_payload_in_place_of_the_file(self, folder: Path, format: str, content: str) -> None:
        path = folder / f"{format}{FORMATS[format].ending or ''}"
        self.replace(path, contents()[content], "init" if format == "ofa" else "")
        for trust in (False, True):
            with pytest.raises(OptunaOFAError, match=str(path)):
                load_exported(path, trust=trust)

    def test_a_program_is_run_for_those_who_trust_it_alone(self, folder: Path) -> None:
        path = folder / "torch_export.pt2"
        images = torch.zeros(1, 1, *(2 * [SPACE.smallest().resolution]))
        assert load_exported(path, trust=True)(images).shape == (1, 10)
        with pytest.raises(InvalidArgumentError, match=r"`trust` must be True .* may hold"):
            load_exported(path)

    @pytest.mark.parametrize("trust", [False, True])
    @pytest.mark.parametrize("name", ["pytorch.safetensors", "onnx.onnx"])
    def test_the_ending_says_what_a_file_is_and_not_the_metadata(
        self, folder: Path, name: str, trust: bool
    ) -> None:
        program = (folder / "torch_export.pt2").read_bytes()
        self.replace(folder / name, program, format="torch_export")
        with pytest.raises(FormatError, match=r"`path` must end in \.pt2, or have no ending"):
            load_exported(folder / name, trust=trust)

    @pytest.mark.parametrize(
        ("member", "match"),
        [
            ("data/sample_inputs/model.pt", "pickle of objects"),
            ("data/weights/model.pt", "has a member"),
            ("data/constants/model.pt", "has a member"),
            ("data/constants/custom_obj_0", "has a member"),
            ("data/constants/opaque_obj_0", "has a member"),
            ("data/aotinductor/model/a.so", "has a member"),
            ("extra/a", "has a member"),
            ("../../a", "has a member"),
            ("data/weights/model_weights_config.json", "is a pickle"),
            ("data/constants/model_constants_config.json", "is a pickle"),
        ],
    )
    @pytest.mark.parametrize("runs", OBJECTS)
    def test_a_payload_in_a_program(self, folder: Path, member: str, match: str, runs: str) -> None:
        path = folder / "torch_export.pt2"
        payload = saved(OBJECTS[runs])
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        top = next(iter(members)).partition("/")[0]
        if member.endswith("config.json"):
            config = json.loads(members.get(f"{top}/{member}", b'{"config": {}}'))
            entry = {"path_name": "weight_0", "is_param": True, "use_pickle": True}
            config["config"] = dict.fromkeys(config["config"] or ["a"], entry)
            members[f"{top}/data/weights/weight_0"] = payload
            payload = json.dumps(config).encode()
        members[f"{top}/{member}"] = payload
        self.replace(path, archive(**members))
        with pytest.raises(FormatError, match=match):
            load_exported(path, trust=True)

    @pytest.mark.parametrize("part", ["state_dict", "constants", "example_inputs"])
    @pytest.mark.parametrize("runs", OBJECTS)
    def test_a_payload_in_a_program_of_older_torch(
        self, folder: Path, part: str, runs: str
    ) -> None:
        path = folder / "torch_export.pt2"
        payload = saved(OBJECTS[runs])
        self.replace(path, archive(**{**OLDER_PROGRAM, f"serialized_{part}.pt": payload}))
        with pytest.raises(FormatError, match="it has a pickle of objects"):
            load_exported(path, trust=True)

    def test_a_program_of_older_torch_needs_trust(self, folder: Path) -> None:
        path = folder / "torch_export.pt2"
        self.replace(path, archive(**OLDER_PROGRAM))
        with pytest.raises(OptunaOFAError, match=r"torch_export\.pt2"):
            load_exported(path, trust=False)

    @pytest.mark.parametrize(
        "files",
        [
            {},
            None,
            [],
            {"/etc/passwd": {"bytes": 1, "sha256": "0" * 64}},
            {"../pytorch.safetensors": {"bytes": 1, "sha256": "0" * 64}},
            {"onnx.onnx": {"bytes": 1, "sha256": "0" * 64}},
            {"pytorch.safetensors": {}},
            {"pytorch.safetensors": {"bytes": -1, "sha256": "0" * 64}},
            {"pytorch.safetensors": {"bytes": 1, "sha256": "0"}},
            {"pytorch.safetensors": None},
            "more",
        ],
        ids=str,
    )
    def test_the_file_beside_it_is_the_only_one(self, folder: Path, files: Any) -> None:
        path = folder / "pytorch.safetensors"
        place = Path(f"{path}.json")
        written = json.loads(place.read_text())
        if files == "more":
            other = {"onnx.onnx": {"bytes": 1, "sha256": "0" * 64}}
            files = {**written["files"], **other}
        place.write_text(json.dumps({**written, "files": files}))
        for read in (load_exported, read_metadata):
            with pytest.raises(FormatError, match=r"pytorch\.safetensors\.json"):
                read(path)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("format", "pickle"),
            ("format", ["pytorch"]),
            ("family", {"name": "a"}),
            ("family", "ofa_mbv3_w1.0"),
            ("subnet", {}),
            ("subnet", [1]),
            ("input", {"shape": [1, 1, 28]}),
            ("input", {"shape": [True, 1, 28, 28]}),
            ("input", {"shape": [2**70, 3, 28, 28]}),
            ("input", None),
        ],
        ids=str,
    )
    def test_damaged_metadata_is_refused(self, folder: Path, key: str, value: Any) -> None:
        path = folder / "pytorch.safetensors"
        place = Path(f"{path}.json")
        place.write_text(json.dumps({**json.loads(place.read_text()), key: value}))
        for read in (load_exported, read_metadata):
            with pytest.raises(FormatError, match=r"pytorch\.safetensors\.json"):
                read(path)

    @pytest.mark.parametrize("location", ["w.bin", "../w.bin", "/etc/passwd", "/dev/zero"])
    def test_weights_outside_of_an_onnx_file_are_not_read(
        self, folder: Path, location: str
    ) -> None:
        onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        path = folder / "onnx.onnx"
        model = onnx.load(path)
        weight = next(t for t in model.graph.initializer if t.data_type == 1)
        (folder / "w.bin").write_bytes(weight.raw_data)
        weight.ClearField("raw_data")
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=location)
        self.replace(path, model.SerializeToString())
        with pytest.raises(FormatError, match=r"onnx\.onnx cannot be read"):
            load_exported(path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_no_numbers_are_refused(self, folder: Path, value: float) -> None:
        safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is missing")
        path = folder / "pytorch.safetensors"
        state = safetensors.load_file(path)
        state["classifier.linear.bias"][0] = value
        self.replace(path, safetensors.save(state))
        with pytest.raises(FormatError, match=rf"has {value} at `classifier\.linear\.bias`"):
            load_exported(path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30, -1e30])
    def test_weights_of_a_graph_that_give_no_logits(self, folder: Path, value: float) -> None:
        onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        path = folder / "onnx.onnx"
        model = onnx.load(path)
        bias = next(t for t in model.graph.initializer if list(t.dims) == [10])
        array = onnx.numpy_helper.to_array(bias).copy()
        array[3] = value
        bias.raw_data = array.tobytes()
        self.replace(path, model.SerializeToString())
        with pytest.raises(FormatError, match=r"onnx\.onnx .* its output has (nan|-?inf|-?1e\+30)"):
            load_exported(path)

    def test_a_graph_of_other_classes(self, folder: Path) -> None:
        onnx = pytest.importorskip("onnx", reason="onnx is not installed")
        path = folder / "onnx.onnx"
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            if tensor.dims and tensor.dims[0] == 10:
                array = onnx.numpy_helper.to_array(tensor)[:9]
                tensor.CopyFrom(onnx.numpy_helper.from_array(array.copy(), tensor.name))
        model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 9
        self.replace(path, model.SerializeToString())
        with pytest.raises(FormatError, match=r"onnx\.onnx .* logits are \(1, 9\) of \S+ inst"):
            load_exported(path)

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
    @pytest.mark.parametrize("name", ["classifier.linear.bias", "first_conv.bn.running_var"])
    def test_weights_of_another_type(self, folder: Path, name: str, dtype: torch.dtype) -> None:
        safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is missing")
        path = folder / "pytorch.safetensors"
        state = safetensors.load_file(path)
        self.replace(path, safetensors.save({**state, name: state[name].to(dtype)}))
        with pytest.raises(FormatError, match=rf"`{name}` has {dtype} instead of torch\.float32"):
            load_exported(path)

    @pytest.mark.parametrize("batch", [2**62, 10**6])
    def test_a_batch_that_fills_the_memory(self, folder: Path, batch: int) -> None:
        path = folder / "onnx.onnx"
        place = Path(f"{path}.json")
        written = json.loads(place.read_text())
        written["input"]["shape"][0] = batch
        place.write_text(json.dumps(written))
        with pytest.raises(FormatError, match=r"batch of \d+ images is too large"):
            load_exported(path)

    @pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link"])
    def test_nothing_but_a_file_is_opened(self, folder: Path, kind: str) -> None:
        path = folder / "pytorch.safetensors"
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to("/dev/zero" if kind == "device" else folder / "none")
        with pytest.raises(FormatError, match="`path` must be a file"):
            load_exported(path)

    @pytest.mark.parametrize("kept", [0, 10, 1000, 0.5, -1])
    @pytest.mark.parametrize("format", ["pytorch", "torch_export", "onnx", "ofa"])
    def test_a_file_that_is_cut_off(self, folder: Path, format: str, kept: float) -> None:
        path = folder / f"{format}{FORMATS[format].ending or ''}"
        part = "init" if format == "ofa" else ""
        content = (path / part).read_bytes()
        n = int(len(content) * kept) if isinstance(kept, float) else kept
        self.replace(path, content[:n], part)
        with pytest.raises(FormatError, match=format):
            load_exported(path, trust=True)

"""Files of another kind: every reader says so in one sentence, with an error of ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import deployment, profiling
from optuna_ofa.commands import main
from optuna_ofa.data import fashion_mnist
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.space import (
    SearchSpace,
    get_family,
    layers_from_net_config,
    read_measured_subnets,
    read_net_config,
    read_specialized,
    subnet_from_net_config,
)

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "nulls": bytes(1000),
    "text": b"no such file\nat all\n",
    "list": b"[1, 2]",
    "null": b"null",
    "number": b"7",
    "object": b'{"a": 1, "name": [1], "blocks": 3}',
    "cut": b'{"a": [1, 2',
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "objects": b'{"a":' * 100_000,
    "dashes": b"- " * 200_000,
    "minus": b"-" * 200_000,
    "keys": b"? " * 1_000_000,
    "sexagesimal": b"a: " + b"1:" * 1_500_000 + b"1",
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "exponent": b'{"a": 1e999999}',
    "twice": b'{"a": 1, "a": 2}',
    "surrogate": b'{"a": "\\ud800"}',
    "values": b"[" + b"0," * 3_000_000 + b"0]",
    "lines": b"\n" * 3_000_000,
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01x\x94.",
    "archive": b"PK\x03\x04" + bytes(100),
}
MAKERS: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "memory": lambda path: path.symlink_to("/proc/self/mem"),
    "large": lambda path: (path.touch(), os.truncate(path, 2**42)),  # sparse
}
READERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "net.config": (".config", read_net_config),
    "net.config folder": ("net.config", lambda path: read_net_config(path.parent)),
    "run.config": ("run.config", lambda path: read_specialized(_with_net_config(path))),
    "layers": (".config", lambda path: layers_from_net_config(path, 224)),
    "subnet": (".config", subnet_from_net_config),
    "family": (".json", get_family),
    "space": (".json", SearchSpace),
    "measured csv": (".csv", lambda path: read_measured_subnets(path, SPACE.family)),
    "measured dict": (".dict", lambda path: read_measured_subnets(path, SPACE.family)),
    "measured folder": ("224.dict", lambda path: read_measured_subnets(path.parent, SPACE.family)),
    "table json": (".json", optuna_ofa.LatencyTable.load),
    "table yaml": (".yaml", optuna_ofa.LatencyTable.load),
    "table folder": ("224.yaml", lambda path: optuna_ofa.LatencyTable.load(path.parent)),
    "latency": (".json", optuna_ofa.NetworkLatencyPredictor.load),
    "accuracy json": (".json", optuna_ofa.AccuracyPredictor.load),
    "accuracy pth": (".pth", optuna_ofa.AccuracyPredictor.load),
    "hardware": (".yaml", lambda path: optuna_ofa.study(SPACE, hardware=path)),
    "accuracy": (".pth", lambda path: optuna_ofa.study(SPACE, accuracy=path)),
    "weights": (".pth", lambda path: optuna_ofa.load_supernet("ofa_mbv3_w1.0", weights=path)),
    "metadata": (".pt2", deployment.read_metadata),
    "export": (".pt2", deployment.load_exported),
    "plan": ("profile.json", lambda path: profiling.table_from_folder(path.parent)),
    "graphs": ("manifest.json", lambda path: profiling.table_from_folder(_with_plan(path))),
    "images": ("train-images-idx3-ubyte.gz", lambda path: fashion_mnist(path.parent)),
}


def _with_net_config(path: Path) -> Path:
    """Write a net.config beside a run.config, and return their folder."""
    config = optuna_ofa.space.net_config(SPACE.smallest())
    with contextlib.suppress(NotADirectoryError):
        path.with_name("net.config").write_text(json.dumps(config))
    return path.parent


def _with_plan(path: Path) -> Path:
    """Write the plan of a profile beside the manifest of its graphs, and return their folder."""
    with contextlib.suppress(NotADirectoryError):
        path.with_name("profile.json").write_text('{"resolutions": [224], "method": "layers"}')
    return path.parent


@pytest.fixture(params=[*CONTENTS, *MAKERS, "in a file", "long name", "no name"])
def write(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Path]]:
    """A function that makes a file of that kind with a name or an ending."""
    kind = request.param
    monkeypatch.chdir(tmp_path)

    def make(name: str) -> Path:
        path = tmp_path / (f"a{name}" if name.startswith(".") else name)
        if kind in CONTENTS:
            path.write_bytes(CONTENTS[kind])
            Path(f"{path}.json").write_bytes(CONTENTS[kind])  # where metadata would be
        elif kind in MAKERS:
            MAKERS[kind](path)
        elif kind == "in a file":
            path.touch()
            return path / f"b{name}"
        return {"long name": tmp_path / ("x" * 300), "no name": Path("a\0b")}.get(kind, path)

    def give_up(*_: object) -> None:
        raise TimeoutError("a minute has passed")

    before = signal.signal(signal.SIGALRM, give_up)  # a pipe would block the tests
    signal.alarm(60)
    yield make
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
def test_other_files_are_refused(write: Callable[[str], Path], reader: str) -> None:
    ending, read = READERS[reader]
    with pytest.raises(OptunaOFAError) as caught:
        read(write(ending))
    assert isinstance(caught.value, FormatError | InvalidArgumentError)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000


HEAD = b"Sub-network,Top-1 Acc (%),MACs,Model Parameters,Latency (ms)\n"


@pytest.mark.parametrize(
    "content",
    [
        b'"' + b"x" * 200_000 + b'",1,1,1,1\n',  # longer than a field of Python's csv may be
        b"a\x00b,1,1,1,1\n",
        b"{},1\n",
        b"\"{'d':\"",
        b"{'ks':1e999},nan,1,1,1\n",
        b"[" * 5000 + b",1,1,1,1",
        b"\xff\xfe\x00",
        b"\r,\r\n,",
    ],
    ids=["long", "null", "short", "cut", "numbers", "deep", "encoding", "lines"],
)
def test_a_damaged_table_of_measurements_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(HEAD + content)
    with pytest.raises(OptunaOFAError, match=r"a\.csv"):
        read_measured_subnets(tmp_path / "a.csv", SPACE.family)


EXPORT = "export net --format ofa --weights {weights} --calibration none --subnet subnet.json"
COMMANDS = {
    "subnet": EXPORT.replace("subnet.json", "{file}"),
    "calibration": EXPORT.replace("none", "{file}"),
    "weights": EXPORT.replace("{weights}", "{file}"),
    "supernet": "search --n 1 --supernet {file}",
    "hardware": "search --n 1 --supernet ofa_mbv3_w1.0 --hardware {file}",
    "accuracy": "search --n 1 --supernet ofa_mbv3_w1.0 --accuracy {file}",
    "family": "search --n 1 --hardware {file}",
    "table": "compare --supernet ofa_mbv3_w1.0 --table {file}",
    "folder": "collect {file} --out table.json",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_it_in_a_line(
    write: Callable[[str], Path], command: str, capsys: pytest.CaptureFixture[str], weights: str
) -> None:
    Path("subnet.json").write_text(SearchSpace("ofa_mbv3_fashion").smallest().to_json())
    file = str(write(".json"))
    words = [word.format(file=file, weights=weights) for word in COMMANDS[command].split()]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("dtype", "shape", "match"),
    [
        ("<f4", (10**12, 1, 28, 28), "a .npy file with numbers"),
        ("<f4", (-1, 1, 28, 28), "a .npy file with numbers"),
        ("<f4", (1, 1, 28, 27), "a .npy file with numbers"),
        ("|O", (1, 1, 28, 28), "a .npy file with numbers"),
        ("<U1", (1, 1, 28, 28), "a .npy file with numbers"),
        ("<f4", (28, 28), r"four axes .* but has \(28, 28\)"),
    ],
    ids=["huge", "negative", "other size", "objects", "text", "three axes"],
)
def test_calibration_images_are_as_many_as_their_header_says(
    tmp_path: Path,
    dtype: str,
    shape: tuple[int, ...],
    match: str,
    capsys: pytest.CaptureFixture[str],
    weights: str,
) -> None:
    with open(tmp_path / "images.npy", "wb") as file:
        header = {"descr": dtype, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(4 * 28 * 28))
    words = EXPORT.replace("none", str(tmp_path / "images.npy")).format(weights=weights).split()
    (tmp_path / "subnet.json").write_text(SearchSpace("ofa_mbv3_fashion").smallest().to_json())
    words = [str(tmp_path / word) if word in ("net", "subnet.json") else word for word in words]
    assert main(words) == 1
    assert re.search(f"images.npy: must .*{match}", capsys.readouterr().err)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint of the packaged supernet."""
    path = tmp_path_factory.mktemp("weights") / "fashion.pth"
    optuna_ofa.save_supernet(optuna_ofa.data.packaged_supernet(), path)
    return str(path)

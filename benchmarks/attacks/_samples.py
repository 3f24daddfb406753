"""Small valid files for each reader, what reads them, and what a plausible result is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

import optuna_ofa
from optuna_ofa import deployment, profiling, training
from optuna_ofa.costs import layer_macs
from optuna_ofa.data import packaged_supernet
from optuna_ofa.graphs import read_litert
from optuna_ofa.measurements import MeasurementTable, Reading, read_measurements
from optuna_ofa.predictors.latency._dialects import OFA
from optuna_ofa.profiling.on_device import OnnxRuntime, RuntimeSettings, measure_folder
from optuna_ofa.space import (
    SearchSpace,
    net_config,
    read_measured_subnets,
    subnet_from_net_config,
    subnet_layers,
    subnet_to_dialect,
)

NET = packaged_supernet()
FAMILY = NET.family
SPACE = SearchSpace(FAMILY)
DATA = Path(optuna_ofa.data.__file__).parent


def alone(data: bytes, path: Path) -> None:
    """Write a damaged file that nothing lies beside."""
    path.write_bytes(data)


@dataclass(frozen=True)
class Reader:
    """A reader, and a file for it.

    Args:
        name: What it reads.
        valid: The valid file.
        read: Takes a path and raises if the result is not plausible.
        path: Where it must lie in a folder.
        kind: How it is damaged: as in `mutate`.
        write: Takes a damaged file and the path, and writes it with what must lie beside it.
    """

    name: str
    valid: Path
    read: Callable[[Path], Any]
    kind: str = "text"
    path: str = ""
    write: Callable[[bytes, Path], Any] = alone

    def attempt(self, data: bytes, folder: Path) -> None:
        """Read a damaged file; raise what reading it raises, or `ImplausibleError`."""
        path = folder / (self.path or self.valid.name)
        self.write(data, path)
        self.read(path)


class ImplausibleError(Exception):
    """What was read cannot be."""


def require(values: Any, low: float, high: float) -> None:
    """Refuse numbers outside a range."""
    array = np.asarray(values, dtype=float)
    if not ((array >= low) & (array <= high)).all():
        raise ImplausibleError(f"{array.min()} to {array.max()}, not {low:g} to {high:g}")


def drawn(space: SearchSpace) -> Any:
    """The smallest, the largest and 100 random subnets."""
    ends = space.to_matrix([space.smallest(), space.largest()])
    return np.concatenate([ends, space.sample(100, seed=1)])


def table(path: Path, space: SearchSpace = SPACE) -> None:
    """Read a latency table."""
    read = optuna_ofa.LatencyTable.load(path)
    predictor = optuna_ofa.LatencyPredictor(table=read, space=space)
    require(predictor.predict(drawn(space)), 1e-6, 1e6)


def accuracy(path: Path, **options: Any) -> None:
    """Read an accuracy predictor."""
    read = optuna_ofa.AccuracyPredictor.load(path, **options)
    require(read.predict(drawn(read.space)), -50, 150)


def latency(path: Path) -> None:
    """Read a network-wise latency predictor."""
    read = optuna_ofa.NetworkLatencyPredictor.load(path)
    require(read.predict(drawn(read.space)), 1e-6, 1e6)


def measured(path: Path) -> None:
    """Read measured subnets."""
    read = read_measured_subnets(path, "ofa_mbv3_w1.0")
    require(read.top1[np.isfinite(read.top1)], 0, 100)
    for array in (read.n_macs, read.n_params):
        require(array, 0, 1e13)
    require(read.latency_ms[np.isfinite(read.latency_ms)], 1e-6, 1e6)


def family(path: Path) -> None:
    """Read a family."""
    read = optuna_ofa.get_family(path)
    require(read.resolutions, 1, 4096)
    require(sum(map(layer_macs, subnet_layers(SearchSpace(read).largest()))), 1, 1e15)


def config(path: Path) -> None:
    """Read a net.config."""
    read = subnet_from_net_config(path.parent / "net.config", family=FAMILY)
    require(read.resolution, 1, 4096)


def weights(path: Path) -> None:
    """Read a supernet."""
    net = optuna_ofa.load_supernet(path)
    for tensor in net.state_dict().values():
        require(tensor.double().abs().max(), 0, 1e15)


def exported(path: Path) -> None:
    """Read an export, and run it if it is a module of torch."""
    net = deployment.load_exported(path, trust=True)
    figures = deployment.read_metadata(path)
    size = figures["subnet"]["resolution"]
    with torch.no_grad():
        logits = net(torch.zeros(figures["input"]["shape"][0] or 1, 1, size, size))
    require(logits, -1e15, 1e15)


def train(path: Path) -> None:
    """Begin a training of thirty steps, or continue it."""
    recipe = training.ProgressiveShrinking(n_steps=30)
    training.train(packaged_supernet(), IMAGES, recipe=recipe, checkpoint=path, progress=False)


def graphs(path: Path) -> None:
    """Read what was measured with a folder of graphs."""
    read = profiling.table_from_folder(path.parent, max_spread=1e3)
    entries = [e for section in read.content.sections for e in section.entries.values()]
    require([e.mean_ms for e in entries], 0, 1e6)


def tflite(path: Path) -> None:
    """Read the tensors and operators of a file of LiteRT."""
    read = read_litert(path.read_bytes())
    for tensor in (*read.inputs, *read.outputs):
        require(tensor.shape, 0, 2**31)


IMAGES = [(torch.zeros(2, 1, 28, 28), torch.zeros(2, dtype=torch.long))]


def study(path: Path) -> None:
    """Read a study, its front and results, and search on."""
    found = optuna_ofa.load_study("a", storage=f"sqlite:///{path}")
    for point in found.front():
        require(list(point.values.values()), -1e12, 1e12)
    found.results()
    found.search(20)


def measurements(path: Path) -> None:
    """Read a database of measurements."""
    found = read_measurements(f"sqlite:///{path}", SPACE, metric="latency_ms")
    require([row.value for row in found], 1e-6, 1e6)


def readers(folder: Path) -> list[Reader]:
    """Write the files."""
    own = optuna_ofa.LatencyTable.load(DATA / f"{FAMILY.name}.cpu-torch.latency.json")
    return [
        Reader("table, JSON", _written(own.save, folder / "table.json"), table),
        _published_table(folder),
        Reader("accuracy, JSON", DATA / f"{FAMILY.name}.accuracy.json", accuracy),
        Reader("accuracy, .pth", _published_accuracy(folder), accuracy, kind="binary"),
        Reader("latency, JSON", _network(folder, own), latency),
        Reader("family", _written(FAMILY.save, folder / "family.json"), family),
        *_configs(folder),
        Reader("measured, CSV", _measured(folder), measured),
        Reader("supernet", _supernet(folder), weights, kind="binary"),
        Reader("training", _training(folder), train, kind="binary"),
        *_exported(folder, "pytorch"),
        *_exported(folder, "onnx")[:1],
        *_exported(folder, "ofa")[:1],
        *_exported(folder, "torch_export")[:1],
        Reader("LiteRT", _tflite(folder), tflite, kind="binary"),
        *_graphs(folder),
        Reader("study", _study(folder), study, kind="binary"),
        Reader("study, rows", folder / "study.db", study, kind="rows"),
        Reader("measurements", _measurements(folder), measurements, kind="binary"),
        Reader("measurements, rows", folder / "measurements.db", measurements, kind="rows"),
    ]


def _written(write: Callable[[Path], Any], path: Path) -> Path:
    write(path)
    return path


def _json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def _published_table(folder: Path) -> Reader:
    """A table in YAML, as the ``ofa`` package writes it, of random latencies."""
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224).restrict(depth=2)
    layers = {x for s in space.from_matrix(drawn(space)) for x in subnet_layers(s)}
    keys = {OFA.key(layer, 1000): layer.out_size * layer.out_channels / 1e4 for layer in layers}
    lines = [f"{k}:\n  count: 20\n  mean: {v}\n" for k, v in sorted(keys.items(), key=str) if k]
    path = folder / "table.yaml"
    path.write_text("".join(lines))
    return Reader("table, YAML", path, lambda path: table(path, space))


def _network(folder: Path, own: optuna_ofa.LatencyTable) -> Path:
    matrix = SPACE.sample(60, seed=0)
    latencies = optuna_ofa.LatencyPredictor(table=own, space=SPACE).predict(matrix)
    fitted = optuna_ofa.NetworkLatencyPredictor.fit(SPACE, matrix, latencies, table=own)
    return _written(fitted.save, folder / "latency.json")


def _published_accuracy(folder: Path) -> Path:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(128, 9), torch.nn.ReLU(), torch.nn.Linear(9, 1))
    state = net.state_dict()
    state["2.bias"] += 0.7
    torch.save({**state, "2.weight": state["2.weight"] / 10}, folder / "accuracy.pth")
    return folder / "accuracy.pth"


def _configs(folder: Path) -> list[Reader]:
    """The two files of a network that was taken out of a supernet."""
    valid = folder / "configs"
    valid.mkdir()
    _json(valid / "net.config", net_config(SPACE.smallest()))
    _json(valid / "run.config", {"image_size": SPACE.smallest().resolution})

    def write(data: bytes, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        for file in valid.iterdir():
            shutil.copy(file, path.parent)
        path.write_bytes(data)

    return [
        Reader(name, valid / name, config, path=f"configs/{name}", write=write)
        for name in ("net.config", "run.config")
    ]


def _measured(folder: Path) -> Path:
    rows = ["Sub-network,Date,Model Parameters,Latency (ms),MACs,Top-1 Acc (%)"]
    space = SearchSpace("ofa_mbv3_w1.0")
    for i, subnet in enumerate(space.from_matrix(space.sample(9, seed=0))):
        counts = f"{5_000_000 + i},{20 + i}.5,{sum(map(layer_macs, subnet_layers(subnet)))}"
        rows.append(f'"{subnet_to_dialect(subnet, "ofa_tutorial")}",2022,{counts},{70 + i / 2}')
    path = folder / "measured.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def _supernet(folder: Path) -> Path:
    return _written(lambda path: optuna_ofa.save_supernet(NET, path), folder / "net.pth")


def _training(folder: Path) -> Path:
    path = folder / "training.pt"
    train(path)
    return path


def _exported(folder: Path, format: str) -> list[Reader]:
    """An export whose metadata always fits the file, as an attacker would write it."""
    path = folder / f"net-{format}{deployment.FORMATS[format].ending or ''}"
    deployment.export(NET, SPACE.smallest(), path, format=format, calibration=None)
    beside = Path(f"{path}.json").read_text()
    inside = path / "init" if path.is_dir() else path

    def write(data: bytes, path: Path) -> None:
        file = path / "init" if inside != valid else path
        if inside != valid:
            shutil.copytree(valid, path, dirs_exist_ok=True)
        file.write_bytes(data)
        metadata = json.loads(beside)
        name = f"{path.name}/init" if inside != valid else path.name
        metadata["files"][name] = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
        Path(f"{path}.json").write_text(json.dumps(metadata))

    def write_metadata(data: bytes, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            (shutil.copytree if valid.is_dir() else shutil.copy)(valid, path)
        Path(f"{path}.json").write_bytes(data)

    valid, name = path, f"export, {format}"
    return [
        Reader(name, inside, exported, kind="binary", path=path.name, write=write),
        Reader(
            f"{name}, metadata",
            Path(f"{path}.json"),
            exported,
            path=f"metadata/{path.name}",
            write=write_metadata,
        ),
    ]


def _tflite(folder: Path) -> Path:
    path = folder / "net.tflite"
    deployment.export(NET, SPACE.smallest(), path, format="litert", calibration=None)
    return path


def _graphs(folder: Path) -> list[Reader]:
    """The plan of a profile, and the results of a device."""
    place = folder / "graphs"
    space = SPACE.restrict(depth=2, kernel=3, expand=3)
    profiling.export_profile(space, place, resolutions=[28], progress=False)
    settings = RuntimeSettings()
    measure_folder(place, OnnxRuntime(settings), settings, n_rounds=3, n_profiled=3)

    def write(data: bytes, path: Path) -> None:
        if not path.parent.exists():
            shutil.copytree(place, path.parent)
        path.write_bytes(data)

    names = ("manifest.json", "results.json", "profile.json")
    return [
        Reader(f"graphs, {n}", place / n, graphs, path=f"{n}-of/{n}", write=write)
        for n in names
        if (place / n).exists()
    ]


def _study(folder: Path) -> Path:
    url = f"sqlite:///{folder}/study.db"
    optuna_ofa.study(FAMILY, storage=url, study_name="a", seed=0).search(60)
    return folder / "study.db"


def _measurements(folder: Path) -> Path:
    url = f"sqlite:///{folder}/measurements.db"
    of = MeasurementTable(url, FAMILY, {"device": "phone"})
    subnets = SPACE.from_matrix(SPACE.sample(30, seed=0))
    of.add((s, Reading("latency_ms", 1.0 + i, 0.1, 20, {})) for i, s in enumerate(subnets))
    return folder / "measurements.db"

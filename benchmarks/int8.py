"""Accuracy and latency in 8-bit integers beside float32, for subnets along both fronts.

The packaged supernet on Fashion-MNIST is searched with a latency table of each precision, which is
measured here first; subnets spread along both fronts are then written as ONNX files in float32 and
INT8, scored on the held-out half of the test images, and timed in turns. Prints paired
differences, and the hypervolumes of the measured fronts of both precisions: a front is chosen on a
random half of those images and judged on the other, five times.

With ``--mixed``, some blocks of a few subnets stay in float32, the most sensitive ones or those
that integers make slower, with five draws of calibration images.

    python benchmarks/int8.py --folder int8
    python benchmarks/int8.py --folder int8 --mixed

What is measured is kept in the folder, so an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import optuna
import torch
from _fronts import hypervolume
from _head import print_head
from numpy.typing import NDArray
from onnxruntime import quantization
from torch import Tensor, nn

import optuna_ofa
from optuna_ofa import LatencyTable, MeasurementSettings, SearchSpace, Subnet, profile
from optuna_ofa.data import fashion_mnist, packaged_supernet
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.fronts import nondominated
from optuna_ofa.graphs import N_QUANTIZED, fold_batch_norm, onnx_of_net
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import subnet_layers
from optuna_ofa.supernet import resize_images

FAMILY = "ofa_mbv3_fashion"
PRECISIONS = ("float32", "int8")
N_CALIBRATION = 500
N_SENSITIVITY = 500
SEEDS = range(5)
N_ROUNDS, N_RUNS = 30, 8
SIGNS = np.array([-1.0, 1.0])  # top1 goes up, latency_ms down

Values = NDArray[np.float64]
Exclude = Callable[[str], bool]  # by the name of an operator, which begins with its layer


def main() -> None:
    """Measure what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps what is measured")
    parser.add_argument("--n", type=int, default=50, help="subnets of each front")
    parser.add_argument("--mixed", action="store_true", help="precisions by block, of few subnets")
    parser.add_argument("--n-mixed", type=int, default=4, help="subnets with mixed precisions")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.disable(logging.WARNING)  # quantization recommends what was done before
    torch.set_num_threads(1)
    print_head()
    data = Data()
    tables = {p: table_of(p, arguments.folder) for p in PRECISIONS}
    subnets = along_fronts(tables, arguments.n)
    print(
        f"{len(subnets)} subnets, {len(data.labels):,} held-out images, 1 thread, "
        f"onnxruntime {onnxruntime.__version__}, load {os.getloadavg()[0]:.1f}"
    )
    if arguments.mixed:
        chosen = [
            subnets[i] for i in np.linspace(0, len(subnets) - 1, arguments.n_mixed).astype(int)
        ]
        print_mixed(arguments.folder, data, chosen, tables)
    else:
        print_fronts([measured(arguments.folder, data, subnet) for subnet in subnets])


class Data:
    """Training images, and the held-out half of the test images with their classes."""

    def __init__(self) -> None:
        images = fashion_mnist()
        self.train = images.train.tensors[0]
        self.images, self.labels = (tensor[1::2] for tensor in images.test.tensors)

    def drawn(self, n: int, seed: int) -> Tensor:
        """Draw training images."""
        rng = torch.Generator().manual_seed(seed)
        return self.train[torch.randperm(len(self.train), generator=rng)[:n]]


def table_of(precision: str, folder: Path) -> LatencyTable:
    """Return the latency table of this machine, measured if it is not in the folder."""
    path = folder / f"{precision}.json"
    if path.exists():
        return LatencyTable.load(path)
    return profile(FAMILY, MeasurementSettings(precision=precision, max_spread=1.0), out=path)


def along_fronts(tables: Mapping[str, LatencyTable], n: int) -> list[Subnet]:
    """Return subnets spread along the predicted fronts of both precisions, by multiply-adds."""
    found: dict[Subnet, int] = {}
    for table in tables.values():
        study = optuna_ofa.study(FAMILY, hardware=table, seed=0)
        study.search(n_trials=3000)
        front = list(study.front())
        for i in np.unique(np.linspace(0, len(front) - 1, n).astype(int)):
            found[front[i].subnet] = 0
    space = SearchSpace(FAMILY)
    macs = CostPredictor("n_macs", space).predict(space.to_matrix(list(found)))
    return [subnet for _, subnet in sorted(zip(macs, found, strict=True), key=lambda p: p[0])]


def network(subnet: Subnet, images: Tensor) -> nn.Module:
    """Return the plain network of a subnet with its own statistics, folded."""
    net = packaged_supernet().extract(subnet).eval()
    recalibrate(net, images)
    fold_batch_norm(net)
    return net


def quantized(plain: bytes, images: Tensor, exclude: Exclude = lambda name: False) -> bytes:
    """Quantise as `export` does, but leave some operators in float32."""
    names = [node.name for node in onnx.load_from_string(plain).graph.node]

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        rest = iter([{"images": part.numpy()} for part in torch.split(images[:N_QUANTIZED], 50)])

        def get_next(self) -> Any:
            return next(self.rest, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.onnx", Path(folder) / "b.onnx"
        source.write_bytes(plain)
        quantization.quantize_static(
            source,
            target,
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=[name for name in names if exclude(name)],
        )
        return target.read_bytes()


def session(content: bytes, batch: int | None = None) -> onnxruntime.InferenceSession:
    """Load a graph on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if batch is not None:
        options.add_free_dimension_override_by_name("batch", batch)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def logits_of(content: bytes, images: Tensor) -> Values:
    """Run a graph on all images."""
    loaded = session(content)
    return np.concatenate(
        [loaded.run(None, {"images": part.numpy()})[0] for part in torch.split(images, 250)]
    )


def in_turns(contents: Sequence[bytes], size: int) -> Values:
    """Return CPU milliseconds of graphs that take turns: medians of rounds, one image at once."""
    loaded = [session(content, 1) for content in contents]
    feed = {"images": np.random.default_rng(0).standard_normal((1, 1, size, size), np.float32)}
    times = np.zeros((N_ROUNDS, len(loaded)))
    for times_of_round in times:
        for i, one in enumerate(loaded):
            one.run(None, feed)
            start = time.process_time_ns()
            for _ in range(N_RUNS):
                one.run(None, feed)
            times_of_round[i] = (time.process_time_ns() - start) / N_RUNS / 1e6
    return np.asarray(np.median(times, axis=0))


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a file has, which is made if it is not there."""
    if not path.exists():
        path.write_text(json.dumps(make()))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def measured(folder: Path, data: Data, subnet: Subnet) -> dict[str, Any]:
    """Return which images each precision classifies correctly, and both latencies."""

    def make() -> dict[str, Any]:
        size, start = subnet.resolution, time.process_time()
        calibration = resize_images(data.drawn(N_CALIBRATION, 0), size)
        net = network(subnet, calibration)
        plain = onnx_of_net(net, subnet_layers(subnet), batch=None)
        contents = [plain, quantized(plain, calibration)]
        images = resize_images(data.images, size)
        right = [logits_of(c, images).argmax(1) == data.labels.numpy() for c in contents]
        return {
            "subnet": subnet.to_dict(),
            "right": ["".join("01"[int(r)] for r in rows) for rows in right],
            "ms": in_turns(contents, size).tolist(),
            "load": os.getloadavg()[0],
            "seconds": time.process_time() - start,
        }

    name = "-".join(str(x) for x in SearchSpace(FAMILY).to_matrix([subnet])[0])
    return kept(folder / f"subnet-{name}.json", make)


def print_fronts(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print paired differences and hypervolumes."""
    right = np.array([[[c == "1" for c in of] for of in row["right"]] for row in rows])
    ms = np.array([row["ms"] for row in rows])  # (n, 2)
    loads = [row["load"] for row in rows]
    top1 = 100 * right.mean(axis=2)
    difference = 100 * (right[:, 1].astype(float) - right[:, 0])
    n = difference.shape[1]
    paired = difference.std(axis=1, ddof=1) / np.sqrt(n)
    unpaired = np.sqrt((top1 * (100 - top1) / n).sum(axis=1))
    loss = difference.mean(axis=1)
    print(
        f"top-1, INT8 minus float32: mean {loss.mean():+.3f}, from {loss.min():+.2f} to "
        f"{loss.max():+.2f} points; standard error of one pair {np.median(paired):.2f}, "
        f"unpaired {np.median(unpaired):.2f}; beyond two of them: "
        f"{(loss < -2 * paired).sum()} worse, {(loss > 2 * paired).sum()} better of {len(rows)}"
    )
    of_mean = difference.mean(axis=0).std(ddof=1) / np.sqrt(n)
    print(f"mean over subnets {loss.mean():+.3f} ± {of_mean:.3f} (images are the sample)")
    for third in np.array_split(np.arange(len(rows)), 3):
        print(
            f"  {ms[third, 0].min():.2f} to {ms[third, 0].max():.2f} ms: "
            f"{loss[third].mean():+.3f} points, latency times "
            f"{np.median(ms[third, 1] / ms[third, 0]):.3f}"
        )
    ratio = ms[:, 1] / ms[:, 0]
    print(
        f"latency, INT8 over float32: median {np.median(ratio):.3f}, from {ratio.min():.3f} to "
        f"{ratio.max():.3f}; load {min(loads):.1f} to {max(loads):.1f}"
    )
    print("hypervolume of measured fronts, judged on other images (points x ms)")
    reference = (float(top1.min() - 0.5), float(1.05 * ms.max()))
    volumes = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(n)
        first, second = order[: n // 2], order[n // 2 :]
        chosen, judged = (100 * right[:, :, half].mean(axis=2) for half in (first, second))
        volumes.append([volume(chosen, judged, ms, of, reference) for of in ([0], [1], [0, 1])])
        print(
            f"  seed {seed}: float32 {volumes[-1][0]:.3f}, INT8 {volumes[-1][1]:.3f}, "
            f"both {volumes[-1][2]:.3f}"
        )
    means, stds = np.mean(volumes, axis=0), np.std(volumes, axis=0, ddof=1)
    for name, mean, std in zip(("float32", "INT8", "both"), means, stds, strict=True):
        print(f"  {name}: {mean:.3f} ± {std:.3f}")


def volume(
    chosen: Values, judged: Values, ms: Values, of: Sequence[int], reference: tuple[float, float]
) -> float:
    """Return the hypervolume of the front that some images choose, on others.

    Args:
        chosen: ``(n, k)`` top-1 of each network in each way, on the images that choose.
        judged: ``(n, k)`` the same on the images that judge.
        ms: ``(n, k)`` latencies.
        of: The ways that are taken.
        reference: Top-1 and latency.
    """
    points = np.stack([chosen[:, of].ravel(), ms[:, of].ravel()], axis=1)
    front = nondominated(points * SIGNS)
    points[:, 0] = judged[:, of].ravel()
    return hypervolume(points[front], reference)


def layer_of(name: str) -> int:
    """Return the index of the layer in the name of an operator, ``"07/depth.12"``."""
    return int(name.split("/")[0])


def ways(
    subnet: Subnet, plain: bytes, images: Tensor, tables: Mapping[str, LatencyTable]
) -> Iterator[tuple[str, Exclude]]:
    """Yield mixed precisions by name, with the operators that stay in float32."""
    shown = images[:N_SENSITIVITY]
    wanted = logits_of(plain, shown)
    n = len(subnet_layers(subnet))
    loss = []
    for i in range(n):
        content = quantized(plain, images, lambda name, i=i: layer_of(name) == i)
        loss.append(float(np.square(logits_of(content, shown) - wanted).mean()))
    order = np.argsort(loss)  # the first ones lower the error most when they stay in float32
    for k in (1, 3):
        kept_ones = frozenset(order[:k].tolist())
        yield f"{k} most sensitive in float32", lambda name, of=kept_ones: layer_of(name) in of
    slower = slower_layers(subnet, tables)
    yield "layers that INT8 slows in float32", lambda name: layer_of(name) in slower


def slower_layers(subnet: Subnet, tables: Mapping[str, LatencyTable]) -> frozenset[int]:
    """Return the layers that take longer in integers, according to the tables."""
    layers, n_classes = subnet_layers(subnet), subnet.family.head.n_classes
    filled = [tables[p].fill(SearchSpace(FAMILY)) for p in PRECISIONS]
    times = [
        [table.layer(layer, subnet.resolution, n_classes).mean_ms for layer in layers]
        for table in filled
    ]
    return frozenset(i for i, (plain, of) in enumerate(zip(*times, strict=True)) if of > plain)


def print_mixed(
    folder: Path, data: Data, subnets: Sequence[Subnet], tables: Mapping[str, LatencyTable]
) -> None:
    """Measure and print mixed precisions of some subnets, by draws of calibration images."""
    images, labels = data.images[::2], data.labels[::2].numpy()

    def make(subnet: Subnet) -> dict[str, Any]:
        size = subnet.resolution
        shown = resize_images(images, size)
        top1, ms, names = [], [], ["float32", "INT8"]
        excluded: list[tuple[str, Exclude]] = []
        for seed in SEEDS:
            calibration = resize_images(data.drawn(N_CALIBRATION, seed), size)
            plain = onnx_of_net(network(subnet, calibration), subnet_layers(subnet), batch=None)
            excluded = excluded or list(ways(subnet, plain, calibration, tables))
            contents = [plain, quantized(plain, calibration)]
            contents += [quantized(plain, calibration, exclude) for _, exclude in excluded]
            classes = [logits_of(c, shown).argmax(1) for c in contents]
            top1.append([100 * float((of == labels).mean()) for of in classes])
            ms.append(in_turns(contents, size).tolist())
        return {
            "names": names + [n for n, _ in excluded],
            "top1": top1,
            "ms": ms,
            "slower": len(slower_layers(subnet, tables)),
            "n": len(subnet_layers(subnet)),
            "load": os.getloadavg()[0],
        }

    rows = []
    for subnet in subnets:
        name = "-".join(str(x) for x in SearchSpace(FAMILY).to_matrix([subnet])[0])
        rows.append(kept(folder / f"mixed-{name}.json", lambda s=subnet: make(s)))
    top1, ms = (np.array([row[key] for row in rows]) for key in ("top1", "ms"))  # (n, seed, way)
    print(
        f"{len(rows)} subnets, {len(labels):,} images, {len(SEEDS)} draws of {N_CALIBRATION} "
        f"calibration images, load {rows[0]['load']:.1f} to {rows[-1]['load']:.1f}"
    )
    print("layers slower in INT8:", ", ".join(f"{r['slower']} of {r['n']}" for r in rows))
    reference = (float(top1.min() - 0.5), float(1.05 * ms.max()))
    ms = np.broadcast_to(np.median(ms, axis=1, keepdims=True), ms.shape)
    every = range(len(rows[0]["names"]))
    volumes = np.array(
        [[volume(top1[:, s], top1[:, s], ms[:, s], [i], reference) for s in SEEDS] for i in every]
    )
    best = volumes[:2].max(axis=0)
    for i, name in enumerate(rows[0]["names"]):
        loss, gain = (top1[:, :, i] - top1[:, :, 0]).mean(axis=0), volumes[i] / best - 1
        print(
            f"  {name}: {loss.mean():+.3f} ± {loss.std(ddof=1):.3f} points, latency times "
            f"{np.median(ms[:, 0, i] / ms[:, 0, 0]):.3f}; hypervolume {volumes[i].mean():.3f}, "
            f"beside the better pure front {100 * gain.mean():+.1f} % "
            f"({', '.join(f'{100 * g:+.1f}' for g in gain)})"
        )
    bound = best_by_layer(tables)
    print(
        f"the faster precision of each layer, by the tables alone: latency times "
        f"{bound.mean():.3f} of float32, lowest {bound.min():.3f}, of {len(bound)} random subnets"
    )


def best_by_layer(tables: Mapping[str, LatencyTable]) -> Values:
    """Return the least latency of random subnets over that of float32, without changes between."""
    space = SearchSpace(FAMILY)
    filled = [tables[p].fill(space) for p in PRECISIONS]
    found = []
    for subnet in space.from_matrix(space.sample(200, seed=0)):
        layers, n_classes = subnet_layers(subnet), subnet.family.head.n_classes
        plain, eight = (
            np.array([t.layer(x, subnet.resolution, n_classes).mean_ms for x in layers])
            for t in filled
        )
        found.append(np.minimum(plain, eight).sum() / plain.sum())
    return np.array(found)


if __name__ == "__main__":
    main()
